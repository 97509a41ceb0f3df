// The machine we really run on.
#pragma once
#include <memory>

#include "net/host/host.hpp"

namespace troupe::net::real {

/// Files of this machine. Any thread.
std::unique_ptr<files> make_files();
/// Facts of this machine, read anew from /proc, /sys and /etc at each call. Any thread.
std::unique_ptr<machine> make_machine();

}  // namespace troupe::net::real
