// The container runtime of this machine, as the CRI offers it: sandboxes, containers, images.
//
// Any thread may call; every call returns at once and finishes with exactly one callback on a thread of the runtime's
// client (in simulation: on the simulation's). Errors: not_found (no such sandbox, container or image), unavailable (surely
// not done: nobody listens at the socket), timeout (it may have been done: look before you do it again), internal (the
// runtime said no; the note is its sentence). Dropping the client drops what is under way without a call. What runs does not
// end with the client, nor with the runtime's own process. Source of the verbs: CRI v1, as containerd 1.6 serves it.
#pragma once
#include <string>
#include <vector>

#include "basis/ids.hpp"
#include "basis/task.hpp"
#include "net/cri/values.hpp"

namespace troupe::net::cri {

template <class T>
using done = callback<void(result<T>)>;

class runtime {
 public:
  virtual ~runtime() = default;

  virtual void version(done<version_info> then) = 0;
  virtual void status(done<standing> then) = 0;

  /// Makes the pod's namespaces and network; answers the sandbox's id. One attempt of a pod exists once: look by its labels
  /// before another try.
  virtual void run_sandbox(const sandbox_config& what, done<std::string> then) = 0;
  /// Ends what runs in it and takes down its network. Idempotent.
  virtual void stop_sandbox(const std::string& id, done<nothing> then) = 0;
  /// Removes it with its containers. Idempotent.
  virtual void remove_sandbox(const std::string& id, done<nothing> then) = 0;
  virtual void list_sandboxes(const label_map& having, done<std::vector<sandbox>> then) = 0;
  /// With its addresses, which a list does not tell.
  virtual void sandbox_status(const std::string& id, done<sandbox> then) = 0;

  /// Answers the container's id; it does not run yet.
  virtual void create_container(const std::string& sandbox_id, const container_config& what, const sandbox_config& within, done<std::string> then) = 0;
  virtual void start_container(const std::string& id, done<nothing> then) = 0;
  /// TERM, and KILL when it still runs after `grace`. Answers when it has ended. Idempotent.
  virtual void stop_container(const std::string& id, duration grace, done<nothing> then) = 0;
  virtual void remove_container(const std::string& id, done<nothing> then) = 0;
  virtual void list_containers(const label_map& having, done<std::vector<container>> then) = 0;
  /// With times, exit code and reason, which a list does not tell.
  virtual void container_status(const std::string& id, done<container> then) = 0;
  virtual void update_resources(const std::string& id, const resources& to, done<nothing> then) = 0;
  /// After its log was renamed: begins a new file of the old name.
  virtual void reopen_log(const std::string& id, done<nothing> then) = 0;

  /// Runs a command in the container to its end, for at most `limit`; then it is killed and the answer is timeout.
  virtual void exec_sync(const std::string& id, const std::vector<std::string>& command, duration limit, done<exec_result> then) = 0;
  /// One-time URLs of the runtime's streaming server, good for about a minute.
  virtual void exec(const std::string& id, const std::vector<std::string>& command, const stream_wish& with, done<std::string> then) = 0;
  virtual void attach(const std::string& id, const stream_wish& with, done<std::string> then) = 0;
  virtual void port_forward(const std::string& sandbox_id, done<std::string> then) = 0;

  /// not_found when it is not there.
  virtual void image_status(const std::string& name, done<image> then) = 0;
  virtual void pull_image(const std::string& name, const registry_login& with, done<std::string> then) = 0;
  virtual void list_images(done<std::vector<image>> then) = 0;
  virtual void remove_image(const std::string& id, done<nothing> then) = 0;
  virtual void image_disk(done<disk_use> then) = 0;

  virtual void container_usage(const label_map& having, done<std::vector<usage>> then) = 0;
};

/// Everything of one pod, by the label of its uid: its sandboxes and containers with their statuses. Fails as a whole.
void look_at_pod(runtime& on, const std::string& pod_uid, done<pod_view> then);

}  // namespace troupe::net::cri
