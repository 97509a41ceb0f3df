// What a pod's object asks of this node: a typed view of the fields that a kubelet acts on. Pure.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/model/packed.hpp"
#include "basis/clock.hpp"

namespace troupe::kubelet {

/// A sidecar is an init container that is always started again; a guest is ephemeral: it came later, runs once and counts for nothing.
enum class role : std::uint8_t { init, sidecar, main, guest };
enum class restart_policy : std::uint8_t { always, on_failure, never };

/// One handler of a probe or hook.
struct handler_wish {
  enum class kind : std::uint8_t { exec, http, tcp, grpc, wait, unsupported } what = kind::unsupported;
  std::vector<std::string> command;
  std::string host, path = "/", scheme = "HTTP";
  std::string service;                           ///< Of gRPC; empty: the server itself.
  json port;                                     ///< A number or a port's name.
  std::vector<std::pair<std::string, std::string>> headers;
  duration wait{};
};
struct probe_wish {
  handler_wish ask;
  duration initial_delay{}, period = std::chrono::seconds(10), limit = std::chrono::seconds(1);
  int successes_needed = 1, failures_allowed = 3;
  std::optional<duration> grace;                 ///< Of a container that it kills.
};

struct container_wish {
  std::string name, image, pull_policy;
  role as = role::main;
  std::string hash;                              ///< Of what makes it another container when it changes.
  std::optional<probe_wish> startup, liveness, readiness;
  std::optional<handler_wish> post_start, pre_stop;
  std::uint32_t restarts_known = 0;              ///< As the API remembers; counts when the runtime has forgotten.
  bool ran_before = false;                       ///< The API remembers a container of it.
  bool tells_by_log = false;                     ///< Its log's last lines are its last words where it left none (FallbackToLogsOnError).
  model::packed spec;                            ///< The container as it was written.
};

struct pod_wish {
  std::string ns, name, uid;
  restart_policy policy = restart_policy::always;
  duration grace = std::chrono::seconds(30);     ///< To end in: of the deletion when there is one.
  bool deleted = false, host_network = false, mirrored = false;
  bool finished = false;                         ///< The API has it as Succeeded or Failed.
  std::optional<wall_time> deadline;             ///< activeDeadlineSeconds after its start.
  std::string quality;                           ///< Of service: "Guaranteed", "Burstable" or "BestEffort".
  std::string runtime_class;                     ///< A RuntimeClass; empty: the usual runtime.
  bool own_users = false;                        ///< hostUsers: false.
  std::vector<std::string> gates;                ///< Types of conditions without which it is not ready.
  std::vector<container_wish> containers;        ///< Init and sidecar in their order, then main, then guests.
  model::packed object;

  const container_wish* find(const std::string& container) const;
};

/// Fields that are missing or strange take upstream's default.
pod_wish read_pod(const model::packed& object);
pod_wish read_pod(const std::shared_ptr<const json>& object);
/// "pod_ns(uid)", as upstream names a pod in messages.
std::string full_name(const pod_wish& of);
/// A port's number: itself, or by its name in the container's ports; 0 when there is none.
int port_number(const container_wish& in, const json& port);

/// 64 bits of a text, the same on every machine; not for secrets.
std::uint64_t digest_of(std::string_view text) noexcept;

}  // namespace troupe::kubelet
