// The engine without a disk, for tests: no thread, no latency; completions go through `post`.
#pragma once
#include <functional>
#include <memory>

#include "storage/engine.hpp"
#include "storage/memory/ledger.hpp"

namespace troupe::storage {

/// Runs tasks later, one at a time, in order; must outlive the engine's last completion.
using post_function = std::function<void(task)>;

/// An engine on `disk`, which may be opened again after the engine is gone. Single-threaded:
/// work is done inside the call, its completion is posted. backup() puts a copy into
/// `disk->copies` and touches no file.
std::unique_ptr<engine> make_memory_engine(std::shared_ptr<memory_disk> disk, post_function post);

}  // namespace troupe::storage
