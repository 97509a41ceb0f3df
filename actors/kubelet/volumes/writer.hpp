// Puts a pod's volumes on this node's disk. Short blocking work with small files.
#pragma once
#include "actors/kubelet/volumes/volumes.hpp"
#include "net/host/host.hpp"

namespace troupe::kubelet {

/// What is there already stays; files that changed are changed all at once, as who reads them sees it: the names lead through
/// the link `..data`, which is given another target. `invalid`: the message of FailedMount.
result<void> write_volumes(net::files& disk, const std::vector<volume_plan>& all);

}  // namespace troupe::kubelet
