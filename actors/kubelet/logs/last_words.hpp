// What a container said last where it left no message of its own (terminationMessagePolicy FallbackToLogsOnError).
#pragma once
#include <string>

#include "net/host/host.hpp"

namespace troupe::kubelet {

/// Of a container's log: the last 80 lines, and of them the last 2048 bytes, as upstream. "" when there is none.
std::string last_words_of_log(const net::files& disk, const std::string& path);

}  // namespace troupe::kubelet
