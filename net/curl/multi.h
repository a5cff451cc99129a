// SPDX-License-Identifier: Apache-2.0
//
// CurlMulti drives one curl multi handle, with its own connection cache, from an IoLoop.
//
// curl's sockets live in one epoll set; Asio watches the set, so that a busy socket costs no Asio
// operation of its own. curl's timer is one of the loop's timers.
// Owns: the multi handle.
// Borrows: loop, and easy handles between add() and their end.
// Threads: confined to the io thread (or to the thread that stopped the loop).
// Errors: a transfer's CURLcode is handed to its Done; curl itself failing is a programmer error.
#pragma once

#include <functional>
#include <memory>

#include <curl/curl.h>

#include "net/io_loop.h"

namespace tocsin::net {

class CurlMulti {
 public:
  using Done = std::function<void(CURLcode)>;

  CurlMulti(IoLoop& loop, std::size_t max_idle_connections);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  // Starts the transfer of `easy`. `done` runs later and never inside a call of curl; `easy` has
  // then left the multi handle.
  void add(CURL* easy, Done done);
  // Ends the transfer; its Done will not run.
  void remove(CURL* easy);
  std::size_t running() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin::net
