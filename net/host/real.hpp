// The machine we really run on.
#pragma once
#include <memory>

#include "net/host/host.hpp"
#include "net/host/process.hpp"

namespace troupe::net::real {

/// Files of this machine. Any thread.
std::unique_ptr<files> make_files();
/// Facts of this machine, read anew from /proc, /sys and /etc at each call. Any thread.
std::unique_ptr<machine> make_machine();

/// Starts children of this process, from one thread that lasts as long as the starter. Any thread may call it; a
/// process must be gone before its starter.
std::unique_ptr<process_starter> make_process_starter();

}  // namespace troupe::net::real
