// SPDX-License-Identifier: Apache-2.0
//
// Notifier: Alertmanager's work in one object: takes alerts, groups, mutes, deduplicates, sends,
// remembers.
//
// Hides: route tree, groups and their timers, stages, silence store, notification log,
// integrations.
// Owns: its state files. Borrows: everything in Services (must outlive it).
// Threads:
// shared. Dispatch runs on one strand of Services::workers; integrations answer on any thread.
// State (silences, notification log) is written to record logs in Options::directory before a call
// that changes it returns, and survives kill -9.
// Errors: open() fails on state files it cannot
// read; apply() leaves everything as it was on error. Does not throw.
// Read next:
// dispatch/dispatcher.h, docs/formats/notifier.md, notifier_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/metrics.h"
#include "base/status.h"
#include "base/time.h"
#include "model/alert.h"
#include "net/http_client.h"
#include "net/mail_sender.h"
#include "notifier/integration.h"
#include "notifier/options.h"
#include "notifier/silence.h"
#include "storage/event_log.h"

namespace tocsin::notifier {

struct AlertFilter {
  model::Matchers matchers;              // missing label = ""
  std::optional<model::Regex> receiver;  // anchored
  bool active = true, silenced = true, inhibited = true, muted = true;
};

struct AlertView {
  model::Alert alert;
  std::vector<std::string> receivers;  // names
  std::vector<std::string> silenced_by, inhibited_by, muted_by;
  std::string_view state() const;  // "active", "suppressed", "unprocessed"
};

struct GroupView {
  model::Labels labels;
  std::string receiver;
  std::vector<AlertView> alerts;
};

class Notifier {
 public:
  struct Services {
    const base::Clock& clock;
    base::Timers& timers;
    base::Executor& workers;
    base::FileSystem& files;
    base::Registry& metrics;
    net::HttpClient& http;
    net::MailSender& mail;
    storage::EventLog* events = nullptr;
  };

  // Reads silences and the notification log; sends nothing before the first apply().
  static StatusOr<std::unique_ptr<Notifier>> open(NotifierOptions options,
                                                  const Services& services);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Builds receivers and templates, then replaces the running configuration; groups are rebuilt
  // from the alerts held.
  Status apply(NotifierConfig config);

  // Takes alerts from rules (already valid). Never blocks on I/O.
  void put(std::vector<model::Alert> alerts);
  // Takes alerts from the API: fills in times, validates; the valid ones are kept and the errors of
  // others joined.
  Status post(std::vector<model::Alert> alerts);

  std::vector<AlertView> alerts(const AlertFilter& filter) const;  // by fingerprint
  std::vector<GroupView> groups(const AlertFilter& filter) const;  // by labels, then receiver
  std::vector<std::string> receivers() const;

  // Creates or updates; returns the id (a new one when the change needs a new silence). kNotFound
  // for an unknown id.
  StatusOr<std::string> set_silence(Silence silence);
  StatusOr<Silence> silence(const std::string& id) const;
  // Active by end, pending by start, expired by end descending.
  std::vector<Silence> silences() const;
  // Idempotent for an expired one; kNotFound for an unknown id.
  Status expire_silence(const std::string& id);

  std::string original_config() const;
  base::Timestamp started() const;
  // Stops timers, waits for attempts in flight (at most 5 s), syncs state. Idempotent.
  void stop();

 private:
  struct Impl;
  explicit Notifier(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin::notifier
