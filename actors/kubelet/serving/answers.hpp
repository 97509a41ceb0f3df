// What the roll answers about a pod from what its worker last saw. Pure.
#pragma once
#include <set>

#include "actors/kubelet/pod/making.hpp"

namespace troupe::kubelet {

struct pod_record {
  std::string uid, ns, name;
  bool deleted = false;                             ///< Somebody asked for its end.
  model::packed object;
  std::shared_ptr<const net::cri::pod_view> view;   ///< Null until it was looked at.
};

struct log_answer { std::string path; bool ended = false; };
/// Errors in upstream's words: not_found (no such container, no former instance), invalid (it has not begun).
result<log_answer> log_of(const pod_record& pod, const std::string& container, bool previous, const node_setup& on);
/// The id of a running container; an empty name means the only or first one. not_found | conflict.
result<std::string> running_container(const pod_record& pod, const std::string& container);
/// The id of the ready sandbox.
result<std::string> running_sandbox(const pod_record& pod);

/// status.images of a Node: the largest first, at most `most`.
json images_status(const std::vector<net::cri::image>& all, std::size_t most);
/// Images that no container names (`used`: as asked for, and what that resolved to) and that nobody pinned, in the order in which they should go: the largest first.
std::vector<net::cri::image> unused_images(const std::vector<net::cri::image>& all, const std::set<std::string>& used);
/// /stats/summary.
json stats_summary(const std::string& node, const std::vector<pod_record>& pods, const std::vector<net::cri::usage>& used, wall_time now);

}  // namespace troupe::kubelet
