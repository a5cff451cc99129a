// SPDX-License-Identifier: Apache-2.0
//
// UnkeptSeries: series that a batch created in memory and that may never become durable, because it
// was rolled back, refused or could not be written. Without this nothing would name them, and a
// client whose samples are always refused would fill the memory with their series.
//
//   UnkeptSeries::Created created(core.unkept);
//   created.add(id);  // when `created` goes, the batch has ended one way or the other
//
// Threads: shared; a Created is confined, and take_overdue() is called by one thread at a time.
// Errors: none.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "storage/types.h"
#include "tsdb/index/postings.h"

namespace tocsin::tsdb {

class UnkeptSeries {
 public:
  // The series that one batch created.
  class Created {
   public:
    Created() = default;
    explicit Created(UnkeptSeries& unkept) : unkept_(&unkept) {}
    Created(Created&& other) noexcept
        : unkept_(std::exchange(other.unkept_, nullptr)), ids_(std::move(other.ids_)) {}
    Created& operator=(Created&& other) noexcept {
      std::swap(unkept_, other.unkept_);
      std::swap(ids_, other.ids_);
      other.end();
      return *this;
    }
    ~Created() { end(); }

    void add(storage::SeriesId id) { ids_.push_back(static_cast<std::uint32_t>(id.value())); }
    // The batch has ended; nothing is added after this.
    void end() {
      if (!ids_.empty()) unkept_->ended_.lock()->add_many(std::exchange(ids_, {}));
    }

   private:
    UnkeptSeries* unkept_ = nullptr;
    std::vector<std::uint32_t> ids_;
  };

  // Series whose batch ended before the last call and of which is_kept(id) is still false,
  // ascending; each is returned once per batch. The time between two calls is what another batch has
  // that found them meanwhile.
  template <typename IsKept>
  std::vector<storage::SeriesId> take_overdue(IsKept is_kept) {
    const Postings ended = std::exchange(*ended_.lock(), Postings());
    std::vector<storage::SeriesId> overdue = std::exchange(waiting_, {});
    std::erase_if(overdue, is_kept);
    for (const std::uint32_t id : ended.ids()) {
      if (!is_kept(storage::SeriesId(id))) waiting_.emplace_back(id);
    }
    return overdue;
  }

 private:
  base::Guarded<Postings> ended_;
  std::vector<storage::SeriesId> waiting_;
};

}  // namespace tocsin::tsdb
