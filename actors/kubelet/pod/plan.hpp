// What to do next for one pod: what its object asks for, beside what the runtime has, beside what was tried. Pure: no clock,
// no actor, no I/O; whoever carries an action out looks at the runtime anew and asks again.
//
// A pod is brought up one action after the other (volumes, sandbox, then each container: image, make, begin); only its end
// is many at once, because each container may take its whole grace period.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "actors/kubelet/pod/wish.hpp"
#include "net/cri/values.hpp"

namespace troupe::kubelet {

namespace port = net::cri;

inline constexpr duration backoff_first = std::chrono::seconds(10), backoff_max = std::chrono::minutes(5);
inline constexpr duration backoff_forgotten_after = std::chrono::minutes(10);   ///< Of running well.

/// What is known of one container beside what the runtime says; lost when the kubelet restarts.
struct container_memory {
  duration restart_delay{};             ///< 0: it has not been started again yet.
  wall_time restarted_at{};
  duration image_delay{};
  wall_time not_before{};               ///< No other try to fetch its image or to make it.
  std::string reason, message;          ///< Why it waits, in upstream's words; empty: it does not.
  std::string image_id;                 ///< What its next instance is made of; empty: to be found out.
  std::string made_id;                  ///< The instance that we made and may begin.
  bool started = false, ready = false;  ///< Of the running instance, by its probes.
  std::string kill_because;             ///< A probe or hook condemned the running instance.
  std::optional<duration> kill_grace;
};
struct pod_failure { std::string reason, message; };
struct pod_memory {
  bool volumes_ready = false;
  wall_time volumes_at{}, sandbox_at{};        ///< Not before.
  duration volumes_delay{}, sandbox_delay{};
  std::set<std::string> busy;                  ///< Containers with an action under way; "": the pod itself.
  std::set<std::string> stopped;               ///< Sandboxes that were told to end, and have.
  std::optional<pod_failure> failure;          ///< It has to end, and to be Failed: a deadline, an eviction.
  std::map<std::string, container_memory> containers;
};

/// Of a container: what tells it from one that is asked for otherwise.
inline constexpr const char* annotation_container_hash = "io.kubernetes.container.hash";

struct prepare_volumes {};
struct start_sandbox { std::uint32_t attempt = 0; };
struct end_sandbox { std::string id; };
struct drop_sandbox { std::string id; };
struct fetch_image { std::string container; };
struct make_container { std::string container; std::uint32_t attempt = 0; std::string sandbox; };
struct begin_container { std::string container, id; };
struct end_container { std::string container, id; duration grace{}; std::string why; };
struct drop_container { std::string container, id; };
struct fail_pod { pod_failure why; };
struct pod_gone {};                            ///< Nothing of it is left in the runtime; it was deleted.
using action = std::variant<prepare_volumes, start_sandbox, end_sandbox, drop_sandbox, fetch_image, make_container, begin_container, end_container,
                            drop_container, fail_pod, pod_gone>;

struct steps {
  std::vector<action> now;
  std::optional<wall_time> wake;               ///< Nothing else changes before: ask again then.
};
steps plan_pod(const pod_wish& wish, const port::pod_view& seen, const pod_memory& memory, wall_time now);

// What the status tells with the same words.
/// The newest instance of a container; null when the runtime has none.
const port::container* newest(const port::pod_view& seen, const std::string& container);
/// Whether an ended instance is followed by another, some time.
bool is_restarted(const pod_wish& pod, const container_wish& of, const port::container& ended);
/// Until when an ended instance waits for the next; nothing when it need not.
std::optional<wall_time> restart_due(const container_memory& of, const port::container& ended, wall_time now);
/// The memory after one more start at `now`.
void count_restart(container_memory& of, const port::container* before, wall_time now);
/// All that was to be done is done, well or not, and nothing is started again.
bool is_complete(const pod_wish& pod, const port::pod_view& seen);
/// Every init container has done its work (or a main container has run in the present sandbox).
bool is_initialized(const pod_wish& pod, const port::pod_view& seen, const pod_memory& memory);

}  // namespace troupe::kubelet
