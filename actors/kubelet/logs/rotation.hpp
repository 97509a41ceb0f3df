// Logs of containers are kept small: a file that has grown is given another name, and the runtime begins a new one.
#pragma once
#include <string>
#include <vector>

#include "net/host/host.hpp"

namespace troupe::kubelet {

struct log_limits {
  std::uint64_t bytes_max = 10 << 20;   ///< Upstream's containerLogMaxSize ...
  std::size_t files_max = 5;            ///< ... and containerLogMaxFiles, the present one among them.
};
/// The former files of the log `name` ("0.log") among those of its folder, the oldest first. Pure.
std::vector<std::string> former_logs(const std::vector<net::file_entry>& folder, const std::string& name);
/// Gives a log that has outgrown its limit another name ("0.log.20260301-120000") and removes the oldest of the former. Answers
/// the new path; empty when nothing was due. Whoever calls has the runtime begin a new file, or takes the name back.
result<std::string> rotate_log(net::files& disk, const std::string& path, const log_limits& within, wall_time now);
/// Removes a log with its former files.
void remove_logs(net::files& disk, const std::string& path);

}  // namespace troupe::kubelet
