// What is said to a container runtime and what it answers, as plain values. Names follow the CRI.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "basis/clock.hpp"
#include "basis/secret.hpp"

namespace troupe::net::cri {

using label_map = std::map<std::string, std::string>;
// Upstream's labels on sandboxes and containers.
inline constexpr const char* label_pod_uid = "io.kubernetes.pod.uid";
inline constexpr const char* label_pod_name = "io.kubernetes.pod.name";
inline constexpr const char* label_pod_namespace = "io.kubernetes.pod.namespace";
inline constexpr const char* label_container = "io.kubernetes.container.name";

struct nothing {};

struct version_info {
  std::string name, version;        ///< "containerd", "1.6.20~ds1"
};
struct standing {
  bool runtime_ready = false, network_ready = false;
  std::string runtime_why, network_why;     ///< "reason:NetworkPluginNotReady message:..." as upstream shows it.
};

enum class sharing : std::uint8_t { pod, container, node, target };   ///< Whose namespace it is.
struct namespaces {
  sharing network = sharing::pod, pid = sharing::container, ipc = sharing::pod;
  std::string target = {};          ///< The container whose processes are seen, with sharing::target.
  friend bool operator==(const namespaces&, const namespaces&) = default;
};
enum class seccomp : std::uint8_t { runtime_default, unconfined, localhost };
struct security {
  namespaces spaces;
  bool privileged = false, readonly_root = false, no_new_privileges = false;
  std::optional<std::int64_t> user, group;
  std::vector<std::int64_t> groups;
  std::vector<std::string> add_capabilities, drop_capabilities;
  seccomp filter = seccomp::unconfined;
  std::string filter_file;
  std::vector<std::string> masked_paths, readonly_paths;
};
struct port_mapping {
  std::string protocol = "TCP";     ///< TCP, UDP or SCTP.
  std::int32_t container_port = 0, host_port = 0;
  std::string host_ip;
};
struct name_servers {
  std::vector<std::string> servers, searches, options;
};
struct resources {
  std::int64_t cpu_period = 0, cpu_quota = 0, cpu_shares = 0;   ///< Microseconds; 0: not set.
  std::int64_t memory_bytes_max = 0;
  std::int64_t oom_score_adj = 0;
};

struct sandbox_config {
  std::string name, ns, uid;        ///< The pod's.
  std::uint32_t attempt = 0;
  std::string hostname;             ///< Empty with the node's network: runc refuses another.
  std::string log_folder;
  std::optional<name_servers> dns;
  std::vector<port_mapping> ports;
  label_map labels, annotations, sysctls;
  std::string cgroup_parent;
  std::string handler;              ///< Of the runtime's, by a RuntimeClass; empty: the usual one.
  security with;
};
struct sandbox {
  std::string id, name, ns, uid;
  std::uint32_t attempt = 0;
  bool ready = false;
  wall_time created_at{};
  label_map labels, annotations;
  std::vector<std::string> addresses;   ///< In a status only; empty with the node's network.
};

enum class propagation : std::uint8_t { none, from_host, both };
struct mount {
  std::string container_path, host_path;
  bool readonly = false;
  propagation spread = propagation::none;
};
struct container_config {
  std::string name;
  std::uint32_t attempt = 0;
  std::string image;                ///< The id that image_status told.
  std::vector<std::string> command, arguments;
  std::string working_folder;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<mount> mounts;
  label_map labels, annotations;
  std::string log_path;             ///< Below the sandbox's log folder.
  bool standard_in = false, standard_in_once = false, terminal = false;
  resources limits;
  security with;
};
enum class container_state : std::uint8_t { created, running, exited, unknown };
struct container {
  std::string id, sandbox_id, name;
  std::uint32_t attempt = 0;
  std::string image, image_ref;     ///< As it was asked for; what it resolved to.
  container_state state = container_state::unknown;
  wall_time created_at{};
  label_map labels, annotations;
  // In a status only:
  wall_time started_at{}, finished_at{};
  int exit_code = 0;
  std::string reason, message, log_path;
};
/// One pod as the runtime has it.
struct pod_view {
  std::vector<sandbox> sandboxes;       ///< Newest attempt first.
  std::vector<container> containers;    ///< By time of creation, newest first.
};

struct exec_result {
  int exit_code = 0;
  std::string out, err;
};
struct stream_wish {
  bool in = false, out = false, err = false, terminal = false;
};

struct image {
  std::string id;                   ///< "sha256:..."
  std::vector<std::string> tags, digests;
  std::uint64_t bytes = 0;
  std::optional<std::int64_t> user; ///< Of its configuration, when it is a number.
  std::string user_name;
  bool pinned = false;
};
struct registry_login {
  std::string server, user;
  secret_text password, token;      ///< `token`: an identity token instead of a password.
};
struct disk_use {
  std::string mount_point;
  std::uint64_t used_bytes = 0, used_inodes = 0;
};
struct usage {
  std::string container_id;
  label_map labels;
  wall_time at{};
  std::uint64_t cpu_nanoseconds = 0;    ///< Since its beginning.
  std::uint64_t memory_working_set = 0, memory_usage = 0, memory_rss = 0, disk_bytes = 0, disk_inodes = 0;
};

}  // namespace troupe::net::cri
