// SPDX-License-Identifier: Apache-2.0
//
// The script runner's store in memory. A value factory; each store is shared as MemStore is.
#pragma once

#include <memory>

#include "promql/script.h"
#include "storage/testing/mem_store.h"

namespace tocsin::promql::testing {

class MemScriptStore final : public ScriptStore {
 public:
  storage::Appendable& appendable() override { return store_; }
  storage::Queryable& queryable() override { return store_; }

 private:
  storage::testing::MemStore store_;
};

inline StatusOr<std::unique_ptr<ScriptStore>> make_mem_script_store() {
  return std::unique_ptr<ScriptStore>(std::make_unique<MemScriptStore>());
}

}  // namespace tocsin::promql::testing
