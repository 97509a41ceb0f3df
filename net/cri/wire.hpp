// Between our values and the messages of the CRI. Pure.
#pragma once
#include "net/cri/cri.pb.h"
#include "net/cri/values.hpp"

namespace troupe::net::cri {

namespace pb = ::runtime::v1;

void fill(pb::PodSandboxConfig& to, const sandbox_config& from);
void fill(pb::ContainerConfig& to, const container_config& from);
void fill(pb::LinuxContainerResources& to, const resources& from);
void fill(google::protobuf::Map<std::string, std::string>& to, const label_map& from);

standing to_standing(const pb::StatusResponse& from);
sandbox to_sandbox(const pb::PodSandbox& from);
sandbox to_sandbox(const pb::PodSandboxStatus& from);
container to_container(const pb::Container& from);
container to_container(const pb::ContainerStatus& from);
image to_image(const pb::Image& from);
usage to_usage(const pb::ContainerStats& from);

}  // namespace troupe::net::cri
