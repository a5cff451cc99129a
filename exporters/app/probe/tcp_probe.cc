// SPDX-License-Identifier: Apache-2.0
//
// The TCP prober: a connection, and a conversation line by line.
#include <array>

#include "exporters/app/probe/probes.h"
#include "exporters/app/series_budget.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxLine = 64 << 10;
constexpr std::size_t kReadBytes = 4096;

class TcpProbe {
 public:
  TcpProbe(ProbeRun& run, const TcpModule& module, const ProbeTarget& target)
      : run_(run), module_(module), target_(target) {}

  bool probe() {
    const StatusOr<HostPort> place = split_host_port(target_.target, 0);
    if (!place.ok()) return run_.fail(fmt::format("bad target: {}", message(place.status())));
    host_ = place->host;
    const ChosenAddress chosen = choose_address(run_, module_.ip, place->host, place->port);
    if (!chosen.address.ok()) return false;
    StatusOr<std::unique_ptr<net::Stream>> stream = connect_to(run_, module_.ip, *chosen.address);
    if (!stream.ok()) return run_.fail(message(stream.status()));
    stream_ = *std::move(stream);
    run_.debug("connected");
    if (module_.is_tls && !start_tls()) return false;
    set_failed("regex", 0);
    set_failed("bytes", 0);
    for (const QueryResponse& step : module_.steps) {
      if (!converse(step)) return false;
    }
    return true;
  }

 private:
  void set_failed(std::string_view what, double value) {
    run_.set(fmt::format("probe_failed_due_to_{}", what),
             fmt::format("Indicates if probe failed due to {}", what), value);
  }

  bool start_tls() {
    std::string name = module_.tls.server_name;
    if (name.empty()) name = target_.hostname.empty() ? host_ : target_.hostname;
    const Status status = stream_->start_tls(*module_.tls.client, name, run_.deadline());
    if (!status.ok()) return run_.fail(message(status));
    const StatusOr<net::TlsPeer> peer = stream_->tls_peer();
    if (!peer.ok()) return run_.fail(message(peer.status()));
    add_tls_metrics(run_, *peer, TlsDetail::kWithoutCipher);
    run_.debug("TLS was started");
    return true;
  }

  bool converse(const QueryResponse& step) {
    std::string send = step.send;
    if (step.expect && !expect(step, &send)) return false;
    if (!step.expect_bytes.empty() && !expect_bytes(step.expect_bytes)) return false;
    if (!send.empty()) {
      run_.debug(fmt::format("sending {}", send));
      const Status status = stream_->write(send + "\n", run_.deadline());
      if (!status.ok()) return run_.fail(message(status));
    }
    if (!step.start_tls) return true;
    // Bytes that came before were not protected: nobody may take them for what comes after.
    if (!buffer_.empty()) return run_.fail("the server sent more than was asked before TLS");
    return start_tls();
  }

  // Reads lines until one matches.
  bool expect(const QueryResponse& step, std::string* send) {
    for (;;) {
      StatusOr<std::optional<std::string>> line = read_line();
      if (!line.ok()) return run_.fail(message(line.status()));
      if (!*line) {
        set_failed("regex", 1);
        return run_.fail(fmt::format("no line matched {:?}", step.expect->pattern()));
      }
      run_.debug(fmt::format("read line {}", **line));
      std::string expanded;
      if (!step.expect->expand(**line, step.send, &expanded)) continue;
      *send = std::move(expanded);
      if (!step.labels.empty()) add_info(step, **line);
      return true;
    }
  }

  void add_info(const QueryResponse& step, const std::string& line) {
    LabelPairs labels;
    for (const auto& [name, pattern] : step.labels) {
      std::string value;
      step.expect->expand(line, pattern, &value);
      SeriesBudget::cut_value(&value);
      labels.emplace_back(name, std::move(value));
    }
    run_.set_pairs({"probe_expect_info", "Explicit content matched"}, std::move(labels), 1);
  }

  // The next line without its end; nothing at the end of the stream.
  StatusOr<std::optional<std::string>> read_line() {
    for (;;) {
      const std::size_t end = buffer_.find('\n');
      if (end != std::string::npos || (is_over_ && !buffer_.empty())) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end == std::string::npos ? end : end + 1);
        if (line.ends_with('\r')) line.pop_back();
        return std::optional(std::move(line));
      }
      if (is_over_) return std::optional<std::string>();
      if (buffer_.size() > kMaxLine) return data_loss("a line of more than {} bytes", kMaxLine);
      RETURN_IF_ERROR(fill());
    }
  }

  Status fill() {
    std::array<char, kReadBytes> piece;
    ASSIGN_OR_RETURN(const std::size_t got,
                     stream_->read(piece.data(), piece.size(), run_.deadline()));
    is_over_ = got == 0;
    buffer_.append(piece.data(), got);
    return ok();
  }

  bool expect_bytes(const std::string& expected) {
    while (buffer_.size() < expected.size() && !is_over_) {
      const Status status = fill();
      if (!status.ok()) return run_.fail(message(status));
    }
    if (buffer_.size() < expected.size()) return run_.fail("read less data than expected");
    const bool is_equal = buffer_.compare(0, expected.size(), expected) == 0;
    buffer_.erase(0, expected.size());
    if (is_equal) return true;
    set_failed("bytes", 1);
    return run_.fail("the bytes did not match");
  }

  ProbeRun& run_;
  const TcpModule& module_;
  const ProbeTarget& target_;
  std::string host_;
  std::unique_ptr<net::Stream> stream_;
  std::string buffer_;    // read and not looked at
  bool is_over_ = false;  // the server has ended the stream
};

}  // namespace

bool probe_tcp(ProbeRun& run, const TcpModule& module, const ProbeTarget& target) {
  return TcpProbe(run, module, target).probe();
}

}  // namespace tocsin::exporters::app
