// What volumes need beyond files: file systems in memory, and owners. Commands of this machine, in their order. Pure.
#pragma once
#include "actors/kubelet/volumes/volumes.hpp"

namespace troupe::kubelet {

using command = std::vector<std::string>;

/// Mount points below a folder, the deepest first, from the text of /proc/self/mountinfo.
std::vector<std::string> mounts_below(const std::string& mountinfo, const std::string& folder);

/// For the volumes of `pod` as they are now and as they were (`before`; empty: just made). Memory is mounted where it is not yet;
/// with an fsGroup a volume of ours belongs to that group, and what is made in it will: emptyDirs once, files whenever they change.
std::vector<command> volume_orders(const std::vector<volume_plan>& now, const std::vector<volume_plan>& before, const json& pod, const std::string& mountinfo);

}  // namespace troupe::kubelet
