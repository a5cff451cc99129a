// SPDX-License-Identifier: Apache-2.0
//
// ReadOnlyFs: the system's files for who only looks at them: reads go through, changes are taken
// and not made.
//
// So code that repairs or continues what it opens can be used on a folder without touching it, and
// without the right to write there. What is written cannot be read back.
// Threads: shared, as FileSystem. Errors: lock() fails when somebody holds the lock for writing; it
// shares it with other readers, and an absent lock file is no lock.
#pragma once

#include <memory>

#include "base/file_system.h"

namespace tocsin::base {

std::unique_ptr<FileSystem> make_read_only_fs();

}  // namespace tocsin::base
