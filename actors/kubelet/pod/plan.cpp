#include "actors/kubelet/pod/plan.hpp"

#include <algorithm>

namespace troupe::kubelet {
namespace {

using state = port::container_state;

const port::sandbox* ready_box(const port::pod_view& seen) {
  for (const auto& box : seen.sandboxes)
    if (box.ready) return &box;
  return nullptr;
}
bool has_ended(const port::container& c) { return c.state == state::exited || c.state == state::unknown; }

const container_memory& of(const pod_memory& memory, const std::string& container) {
  static const container_memory fresh;
  const auto found = memory.containers.find(container);
  return found == memory.containers.end() ? fresh : found->second;
}

/// An init container that will never succeed.
bool init_failed(const pod_wish& pod, const port::pod_view& seen) {
  return std::any_of(pod.containers.begin(), pod.containers.end(), [&](const container_wish& c) {
    const auto* last = c.as == role::init ? newest(seen, c.name) : nullptr;
    return last && has_ended(*last) && last->exit_code != 0 && pod.policy == restart_policy::never;
  });
}

class planner {
 public:
  planner(const pod_wish& wish, const port::pod_view& seen, const pod_memory& memory, wall_time now)
      : wish_(wish), seen_(seen), memory_(memory), now_(now) {}

  steps plan() {
    if (memory_.busy.contains("")) return out_;
    if (wish_.deleted || memory_.failure || wish_.finished || is_complete(wish_, seen_)) {
      end_all();
      return out_;
    }
    if (wish_.deadline) {
      if (now_ >= *wish_.deadline) return act(fail_pod{{"DeadlineExceeded", "Pod was active on the node longer than the specified deadline"}}), out_;
      wake(*wish_.deadline);
    }
    if (memory_.busy.empty()) run();
    return out_;
  }

 private:
  void act(action what) { out_.now.push_back(std::move(what)); }
  void wake(wall_time at) { out_.wake = out_.wake ? std::min(*out_.wake, at) : at; }

  // --- coming up ----------------------------------------------------------------------------------

  void run() {
    if (!memory_.volumes_ready) {
      if (now_ < memory_.volumes_at) return wake(memory_.volumes_at);
      return act(prepare_volumes{});
    }
    const auto* box = settle_box();
    if (!box) return;
    if (tidy_up(*box)) return;
    for (const auto& c : wish_.containers)
      if (c.as == role::guest && tend(c, *box)) return;
    if (!run_init(*box)) return;
    for (const auto& c : wish_.containers)
      if (c.as == role::main && tend(c, *box)) return;
  }

  /// The one ready sandbox; null when something must be done first, which is then planned.
  const port::sandbox* settle_box() {
    const auto* box = ready_box(seen_);
    for (const auto& other : seen_.sandboxes)
      if (&other != box && (other.ready || !memory_.stopped.contains(other.id))) return act(end_sandbox{other.id}), nullptr;
    if (box) return box;
    if (now_ < memory_.sandbox_at) return wake(memory_.sandbox_at), nullptr;
    return act(start_sandbox{seen_.sandboxes.empty() ? 0 : seen_.sandboxes.front().attempt + 1}), nullptr;
  }

  /// Instances that nobody asks about any more: all but the two newest of each container, then empty old sandboxes.
  bool tidy_up(const port::sandbox& box) {
    std::map<std::string, int> kept;
    for (const auto& c : seen_.containers)
      if (++kept[c.name] > 2 && has_ended(c)) return act(drop_container{c.name, c.id}), true;
    for (const auto& old : seen_.sandboxes) {
      if (old.id == box.id) continue;
      const bool used = std::any_of(seen_.containers.begin(), seen_.containers.end(), [&](const auto& c) { return c.sandbox_id == old.id; });
      if (!used) return act(drop_sandbox{old.id}), true;
    }
    return false;
  }

  /// True when the main containers may run.
  bool run_init(const port::sandbox& box) {
    const bool past = std::any_of(wish_.containers.begin(), wish_.containers.end(), [&](const container_wish& c) {
      const auto* last = c.as == role::main ? newest(seen_, c.name) : nullptr;
      return last && last->sandbox_id == box.id && last->state != state::created;
    });
    for (const auto& c : wish_.containers) {
      if (c.as == role::main || c.as == role::guest || (past && c.as == role::init)) continue;
      const auto* last = newest(seen_, c.name);
      const bool here = last && last->sandbox_id == box.id;
      if (c.as == role::init && here && last->state == state::exited && last->exit_code == 0) continue;
      if (tend(c, box)) return false;
      if (c.as == role::init) return false;                         // it runs, or waits for another try
      if (!past && !(here && last->state == state::running && of(memory_, c.name).started)) return false;
    }
    return true;
  }

  /// True when something is to be done for this container now.
  bool tend(const container_wish& c, const port::sandbox& box) {
    const auto& known = of(memory_, c.name);
    const auto* last = newest(seen_, c.name);
    const bool here = last && last->sandbox_id == box.id;
    if (c.as == role::guest && (last ? has_ended(*last) : c.ran_before)) return false;
    if (here && last->state == state::running) return judge(c, known, *last);
    if (here && last->state == state::created) {
      if (known.made_id == last->id) return act(begin_container{c.name, last->id}), true;
      return act(drop_container{c.name, last->id}), true;      // of a former life: its files may be others by now
    }
    if (last && has_ended(*last) && (here || c.as == role::main) && !is_restarted(wish_, c, *last)) return false;
    if (last && has_ended(*last))
      if (const auto due = restart_due(known, *last, now_); due && here) return wake(*due), false;
    if (now_ < known.not_before) return wake(known.not_before), false;
    if (known.image_id.empty()) return act(fetch_image{c.name}), true;
    const std::uint32_t attempt = last ? last->attempt + 1 : c.ran_before ? c.restarts_known + 1 : 0;
    return act(make_container{c.name, attempt, box.id}), true;
  }

  /// What runs is let be, unless it was condemned or is not what is asked for any more.
  bool judge(const container_wish& c, const container_memory& known, const port::container& running) {
    std::string why = known.kill_because;
    const auto hash = running.annotations.find(annotation_container_hash);
    if (why.empty() && hash != running.annotations.end() && hash->second != c.hash)
      why = "Container " + c.name + " definition changed, will be restarted";
    if (why.empty()) return false;
    return act(end_container{c.name, running.id, known.kill_grace.value_or(wish_.grace), why}), true;
  }

  // --- ending -------------------------------------------------------------------------------------

  void end_all() {
    if (end_containers()) return;
    if (!memory_.busy.empty()) return;
    for (const auto& box : seen_.sandboxes)
      if (box.ready || !memory_.stopped.contains(box.id)) return act(end_sandbox{box.id});
    if (!wish_.deleted) return;
    if (!seen_.sandboxes.empty()) return act(drop_sandbox{seen_.sandboxes.front().id});
    if (!seen_.containers.empty()) return act(drop_container{seen_.containers.front().name, seen_.containers.front().id});
    act(pod_gone{});
  }

  /// True while some container runs. Main containers end together, then sidecars one by one, the last first.
  bool end_containers() {
    std::vector<const port::container*> main, side;
    for (const auto& c : seen_.containers) {
      if (c.state != state::running) continue;
      const auto* wanted = wish_.find(c.name);
      (wanted && wanted->as == role::sidecar ? side : main).push_back(&c);
    }
    const auto place = [&](const port::container* c) { return wish_.find(c->name); };   // within one vector: the later is greater
    std::sort(side.begin(), side.end(), [&](const auto* a, const auto* b) { return place(a) > place(b); });
    if (main.empty() && !side.empty()) side.resize(1);
    for (const auto* c : main.empty() ? side : main)
      if (!memory_.busy.contains(c->name)) act(end_container{c->name, c->id, wish_.grace, "Stopping container " + c->name});
    return !main.empty() || !side.empty();
  }

  const pod_wish& wish_;
  const port::pod_view& seen_;
  const pod_memory& memory_;
  const wall_time now_;
  steps out_;
};

}  // namespace

steps plan_pod(const pod_wish& wish, const port::pod_view& seen, const pod_memory& memory, wall_time now) { return planner(wish, seen, memory, now).plan(); }

const port::container* newest(const port::pod_view& seen, const std::string& container) {
  for (const auto& c : seen.containers)
    if (c.name == container) return &c;
  return nullptr;
}

bool is_restarted(const pod_wish& pod, const container_wish& of, const port::container& ended) {
  if (of.as == role::sidecar) return true;
  if (of.as == role::guest) return false;
  if (of.as == role::init) return ended.exit_code != 0 && pod.policy != restart_policy::never;
  return pod.policy == restart_policy::always || (pod.policy == restart_policy::on_failure && ended.exit_code != 0);
}

std::optional<wall_time> restart_due(const container_memory& of, const port::container& ended, wall_time now) {
  if (of.restart_delay == duration::zero() || ended.finished_at - of.restarted_at > backoff_forgotten_after) return std::nullopt;
  // A calendar that was set back must not make it wait longer than the delay from now on.
  const auto due = std::min(ended.finished_at, now) + of.restart_delay;
  return now < due ? std::optional(due) : std::nullopt;
}

void count_restart(container_memory& of, const port::container* before, wall_time now) {
  if (!before) return;
  const bool afresh = of.restart_delay == duration::zero() || before->finished_at - of.restarted_at > backoff_forgotten_after;
  of.restart_delay = afresh ? backoff_first : std::min<duration>(of.restart_delay * 2, backoff_max);
  of.restarted_at = now;
}

bool is_complete(const pod_wish& pod, const port::pod_view& seen) {
  if (init_failed(pod, seen)) return true;
  if (pod.policy == restart_policy::always) return false;
  return std::all_of(pod.containers.begin(), pod.containers.end(), [&](const container_wish& c) {
    if (c.as != role::main) return true;
    const auto* last = newest(seen, c.name);
    return last && has_ended(*last) && !is_restarted(pod, c, *last);
  });
}

bool is_initialized(const pod_wish& pod, const port::pod_view& seen, const pod_memory& memory) {
  const auto* box = ready_box(seen);
  bool done = true;
  for (const auto& c : pod.containers) {
    const auto* last = newest(seen, c.name);
    if (c.as == role::main && last && (!box || last->sandbox_id == box->id)) return true;
    if (c.as == role::init) done = done && last && last->state == state::exited && last->exit_code == 0;
    if (c.as == role::sidecar) done = done && last && last->state == state::running && of(memory, c.name).started;
  }
  return done;
}

}  // namespace troupe::kubelet
