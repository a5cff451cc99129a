// SPDX-License-Identifier: Apache-2.0
//
// BodyPool keeps the memory of response bodies that were read, for the next responses.
//
// At most 64 buffers of at most 1 MiB each are kept. They keep their bytes and size, too: a string that
// grows fills itself with zeroes, and a page of 100 KB is worth not to be written twice.
// Threads: shared. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "base/mutex.h"

namespace tocsin::net {

class BodyPool {
 public:
  // Perhaps with bytes of an earlier body, to be overwritten or cleared.
  std::string take() {
    auto bodies = bodies_.lock();
    if (bodies->empty()) return {};
    std::string body = std::move(bodies->back());
    bodies->pop_back();
    return body;
  }
  void give_back(std::string body) {
    constexpr std::size_t kMaxBodies = 64;
    constexpr std::size_t kMaxBytes = 1U << 20;
    if (body.capacity() > kMaxBytes) return;
    auto bodies = bodies_.lock();
    if (bodies->size() < kMaxBodies) bodies->push_back(std::move(body));
  }

 private:
  base::Guarded<std::vector<std::string>> bodies_;
};

}  // namespace tocsin::net
