// A pod's volumes on this node's disk: which folders and files they are. Pure; writer.hpp puts them there.
#pragma once
#include "actors/kubelet/pod/sources.hpp"

namespace troupe::kubelet {

struct volume_file {
  std::string path, data;          ///< Path below the volume; once written (forget_data), in the data's stead what tells it from other data.
  unsigned mode = 0644;
  friend bool operator==(const volume_file&, const volume_file&) = default;
};
struct volume_plan {
  enum class kind : std::uint8_t { empty, files, host } what = kind::empty;
  std::string name;
  std::string path;                ///< On this node.
  std::string host_type;           ///< Of a hostPath: "", DirectoryOrCreate, File ...
  std::vector<volume_file> files;
  bool in_memory = false;          ///< An emptyDir of medium Memory ...
  std::int64_t bytes_max = 0;      ///< ... that holds so much; 0: half of the machine's memory, as tmpfs has it.
};
/// Of a pod whose folder on this node is `folder`. `invalid`: the message of FailedMount, in upstream's words.
result<std::vector<volume_plan>> plan_volumes(const json& pod, const std::string& folder, const pod_sources& from);
/// What is on disk need not be in memory too, tokens and keys least of all.
void forget_data(std::vector<volume_plan>& written);

}  // namespace troupe::kubelet
