// GCC 12 takes a moved result<T> of a large T for uninitialised where it inlines both halves of its variant.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include "net/sim/cri/containers.hpp"

namespace troupe::net::sim {

namespace {
std::string padded(std::uint64_t number) {
  auto out = std::to_string(number);
  return std::string(12 - std::min<std::size_t>(12, out.size()), '0') + out;
}
bool has_labels(const cri::label_map& having, const cri::label_map& of) {
  for (const auto& [key, value] : having)
    if (const auto found = of.find(key); found == of.end() || found->second != value) return false;
  return true;
}
}  // namespace

struct container_machine::inside {
  struct kept_container {
    cri::container_config config;
    container_life life;
    std::uint64_t run = 0;               ///< Which start an ending belongs to.
  };
  inside(container_machine& of, agenda& on, rng chance, const wall_clock& wall) : owner(&of), plan(on), dice(chance), calendar(wall) {}

  container_machine* owner;
  agenda& plan;
  rng dice;
  const wall_clock& calendar;
  std::map<std::string, cri::sandbox> sandboxes;
  std::map<std::string, cri::container> containers;
  std::map<std::string, kept_container> kept;
  std::map<std::string, cri::image> images;
  std::map<std::string, std::string> offered;   // with the password that it takes
  std::uint64_t numbers = 0, calls = 0, life = 0;   // life: of the runtime's process
  bool up = true, hanging = false;

  void end(const std::string& id, int code, const std::string& reason) {
    const auto found = containers.find(id);
    if (found == containers.end() || found->second.state != cri::container_state::running) return;
    auto& c = found->second;
    c.state = cri::container_state::exited;
    c.exit_code = code;
    c.finished_at = calendar.now();
    c.reason = !reason.empty() ? reason : code == 0 ? "Completed" : "Error";
    ++kept[id].run;
  }
  void end_sandbox(const std::string& id) {
    for (auto& [key, c] : containers)
      if (c.sandbox_id == id) end(key, 137, "");
    if (const auto found = sandboxes.find(id); found != sandboxes.end()) found->second.ready = false, found->second.addresses.clear();
  }
};

class containers_client final : public cri::runtime {
 public:
  using nothing = cri::nothing;
  explicit containers_client(std::shared_ptr<container_machine::inside> in) : in_(std::move(in)) {}

  void version(cri::done<cri::version_info> then) override {
    call<cri::version_info>("version", "", std::move(then), [] { return cri::version_info{"twin", "1"}; });
  }
  void status(cri::done<cri::standing> then) override {
    call<cri::standing>("status", "", std::move(then), [] { return cri::standing{true, true, {}, {}}; });
  }
  void run_sandbox(const cri::sandbox_config& what, cri::done<std::string> then) override {
    call<std::string>("run_sandbox", what.name, std::move(then), [in_ = in_, what]() -> result<std::string> {
      if (!what.handler.empty() && what.handler != "runc") return fail(errc::internal, "failed to get sandbox runtime: no runtime for \"" + what.handler + "\" is configured");
      for (const auto& [id, s] : in_->sandboxes)
        if (s.uid == what.uid && s.attempt == what.attempt)
          return fail(errc::internal, "failed to reserve sandbox name \"" + what.name + "\": name is reserved for \"" + id + "\"");
      cri::sandbox made;
      made.id = "box" + padded(++in_->numbers);
      made.name = what.name, made.ns = what.ns, made.uid = what.uid, made.attempt = what.attempt;
      made.ready = true;
      made.created_at = in_->calendar.now();
      made.labels = what.labels, made.annotations = what.annotations;
      if (what.with.spaces.network != cri::sharing::node)
        made.addresses = {in_->owner->pod_network + "." + std::to_string(in_->numbers % 250 + 2)};
      return in_->sandboxes.emplace(made.id, made).first->first;
    });
  }
  void stop_sandbox(const std::string& id, cri::done<nothing> then) override {
    call<nothing>("stop_sandbox", id, std::move(then), [in_ = in_, id] { return in_->end_sandbox(id), nothing{}; });
  }
  void remove_sandbox(const std::string& id, cri::done<nothing> then) override {
    call<nothing>("remove_sandbox", id, std::move(then), [in_ = in_, id] {
      in_->end_sandbox(id);
      std::erase_if(in_->containers, [&](const auto& c) { return c.second.sandbox_id == id; });
      in_->sandboxes.erase(id);
      return nothing{};
    });
  }
  void list_sandboxes(const cri::label_map& having, cri::done<std::vector<cri::sandbox>> then) override {
    call<std::vector<cri::sandbox>>("list_sandboxes", "", std::move(then), [in_ = in_, having] {
      std::vector<cri::sandbox> out;
      for (const auto& [id, s] : in_->sandboxes)
        if (has_labels(having, s.labels)) out.push_back(s), out.back().addresses.clear();
      return out;
    });
  }
  void sandbox_status(const std::string& id, cri::done<cri::sandbox> then) override {
    call<cri::sandbox>("sandbox_status", id, std::move(then), [in_ = in_, id]() -> result<cri::sandbox> {
      const auto found = in_->sandboxes.find(id);
      if (found == in_->sandboxes.end()) return fail(errc::not_found, "an error occurred when try to find sandbox: not found");
      return found->second;
    });
  }
  void create_container(const std::string& box, const cri::container_config& what, const cri::sandbox_config&, cri::done<std::string> then) override {
    call<std::string>("create_container", what.name, std::move(then), [in_ = in_, box, what]() -> result<std::string> {
      const auto home = in_->sandboxes.find(box);
      if (home == in_->sandboxes.end()) return fail(errc::not_found, "failed to find sandbox id \"" + box + "\": not found");
      if (!home->second.ready) return fail(errc::internal, "sandbox container \"" + box + "\" is not running");
      for (const auto& [id, c] : in_->containers)
        if (c.sandbox_id == box && c.name == what.name && c.attempt == what.attempt)
          return fail(errc::internal, "failed to reserve container name \"" + what.name + "\": name is reserved for \"" + id + "\"");
      cri::container made;
      made.id = "run" + padded(++in_->numbers);
      made.sandbox_id = box, made.name = what.name, made.attempt = what.attempt;
      made.image = made.image_ref = what.image;
      made.state = cri::container_state::created;
      made.created_at = in_->calendar.now();
      made.labels = what.labels, made.annotations = what.annotations;
      made.log_path = what.log_path;
      in_->kept[made.id].config = what;
      return in_->containers.emplace(made.id, made).first->first;
    });
  }
  void start_container(const std::string& id, cri::done<nothing> then) override {
    call<nothing>("start_container", id, std::move(then), [in_ = in_, id]() -> result<nothing> {
      const auto found = in_->containers.find(id);
      if (found == in_->containers.end()) return fail(errc::not_found, "an error occurred when try to find container \"" + id + "\": not found");
      auto& c = found->second;
      if (c.state != cri::container_state::created) return fail(errc::internal, "container is in another state than created");
      c.state = cri::container_state::running;
      c.started_at = in_->calendar.now();
      auto& kept = in_->kept[id];
      kept.life = in_->owner->script ? in_->owner->script(kept.config) : container_life{};
      if (kept.life.runs) {
        in_->plan.in(*kept.life.runs, [weak = std::weak_ptr(in_), id, run = kept.run] {
          const auto in = weak.lock();
          if (in && in->kept[id].run == run) in->end(id, in->kept[id].life.exit_code, in->kept[id].life.reason);
        });
      }
      return nothing{};
    });
  }
  void stop_container(const std::string& id, duration grace, cri::done<nothing> then) override {
    const auto found = in_->kept.find(id);
    const bool slow = found != in_->kept.end() && !found->second.life.heeds_term;
    call<nothing>("stop_container", id, std::move(then), [in_ = in_, id, slow] { return in_->end(id, slow ? 137 : 143, ""), nothing{}; }, slow ? grace : duration(0));
  }
  void remove_container(const std::string& id, cri::done<nothing> then) override {
    call<nothing>("remove_container", id, std::move(then), [in_ = in_, id] {
      in_->end(id, 137, "");
      in_->containers.erase(id);
      return nothing{};
    });
  }
  void list_containers(const cri::label_map& having, cri::done<std::vector<cri::container>> then) override {
    call<std::vector<cri::container>>("list_containers", "", std::move(then), [in_ = in_, having] {
      std::vector<cri::container> out;
      for (const auto& [id, c] : in_->containers)
        if (has_labels(having, c.labels)) out.push_back(c);
      return out;
    });
  }
  void container_status(const std::string& id, cri::done<cri::container> then) override {
    call<cri::container>("container_status", id, std::move(then), [in_ = in_, id]() -> result<cri::container> {
      const auto found = in_->containers.find(id);
      if (found == in_->containers.end()) return fail(errc::not_found, "an error occurred when try to find container \"" + id + "\": not found");
      return found->second;
    });
  }
  void update_resources(const std::string& id, const cri::resources&, cri::done<nothing> then) override { touch("update_resources", id, std::move(then)); }
  void reopen_log(const std::string& id, cri::done<nothing> then) override { touch("reopen_log", id, std::move(then)); }
  void exec_sync(const std::string& id, const std::vector<std::string>& command, duration, cri::done<cri::exec_result> then) override {
    call<cri::exec_result>("exec_sync", id, std::move(then), [in_ = in_, id, command]() -> result<cri::exec_result> {
      const auto found = in_->containers.find(id);
      if (found == in_->containers.end()) return fail(errc::not_found, "container \"" + id + "\": not found");
      if (found->second.state != cri::container_state::running) return fail(errc::internal, "container is in CONTAINER_EXITED state");
      return in_->owner->on_exec ? in_->owner->on_exec(found->second, command) : cri::exec_result{};
    });
  }
  void exec(const std::string& id, const std::vector<std::string>&, const cri::stream_wish&, cri::done<std::string> then) override { url("exec", id, std::move(then)); }
  void attach(const std::string& id, const cri::stream_wish&, cri::done<std::string> then) override { url("attach", id, std::move(then)); }
  void port_forward(const std::string& id, cri::done<std::string> then) override { url("portforward", id, std::move(then)); }

  void image_status(const std::string& name, cri::done<cri::image> then) override {
    call<cri::image>("image_status", name, std::move(then), [in_ = in_, name]() -> result<cri::image> {
      const auto found = in_->images.find(name);
      if (found == in_->images.end()) return fail(errc::not_found, "image \"" + name + "\" is not there");
      return found->second;
    });
  }
  void pull_image(const std::string& name, const cri::registry_login& with, cri::done<std::string> then) override {
    call<std::string>("pull_image", name, std::move(then), [in_ = in_, name, password = std::string(with.password.reveal())]() -> result<std::string> {
      const auto there = in_->offered.find(name);
      if (there == in_->offered.end()) return fail(errc::internal, "failed to pull and unpack image \"" + name + "\": not found");
      if (there->second != password) return fail(errc::internal, "failed to pull and unpack image \"" + name + "\": authorization failed");
      in_->owner->add_image(name);
      return in_->images.at(name).id;
    }, in_->owner->now.pull_time);
  }
  void list_images(cri::done<std::vector<cri::image>> then) override {
    call<std::vector<cri::image>>("list_images", "", std::move(then), [in_ = in_] {
      return in_->owner->images();
    });
  }
  void remove_image(const std::string& id, cri::done<nothing> then) override {
    call<nothing>("remove_image", id, std::move(then), [in_ = in_, id] {
      std::erase_if(in_->images, [&](const auto& one) { return one.second.id == id || one.first == id; });
      return nothing{};
    });
  }
  void image_disk(cri::done<cri::disk_use> then) override {
    call<cri::disk_use>("image_disk", "", std::move(then), [in_ = in_] {
      cri::disk_use out{"/twin", 0, 0};
      for (const auto& [name, one] : in_->images) out.used_bytes += one.bytes / 2;   // by its name and by its id
      return out;
    });
  }
  void container_usage(const cri::label_map& having, cri::done<std::vector<cri::usage>> then) override {
    call<std::vector<cri::usage>>("container_usage", "", std::move(then), [in_ = in_, having] {
      std::vector<cri::usage> out;
      for (const auto& [id, c] : in_->containers) {
        if (!has_labels(having, c.labels)) continue;
        cri::usage one;
        one.container_id = id, one.labels = c.labels;
        // Who has ended is told of as well, as by containerd, with nothing.
        if (c.state == cri::container_state::running) one.at = in_->calendar.now(), one.memory_working_set = 1 << 20;
        out.push_back(std::move(one));
      }
      return out;
    });
  }

 private:
  void touch(const char* verb, const std::string& id, cri::done<nothing> then) {
    call<nothing>(verb, id, std::move(then), [in_ = in_, id]() -> result<nothing> {
      if (!in_->containers.contains(id)) return fail(errc::not_found, "container \"" + id + "\": not found");
      return nothing{};
    });
  }
  void url(const std::string& verb, const std::string& id, cri::done<std::string> then) {
    call<std::string>(verb, id, std::move(then), [in_ = in_, verb, id]() -> result<std::string> {
      if (!in_->containers.contains(id) && !in_->sandboxes.contains(id)) return fail(errc::not_found, "\"" + id + "\": not found");
      return "http://127.0.0.1:1/" + verb + "/" + std::to_string(++in_->numbers);
    });
  }

  /// In the middle of its time a call takes effect, whether or not the client still lives; at its end it is answered.
  template <class T, class Act>
  void call(std::string verb, std::string what, cri::done<T> then, Act act, duration longer = {}) {
    ++in_->calls;
    const auto& now = in_->owner->now;
    const auto whole = now.act_min + duration(static_cast<std::int64_t>(in_->dice.below(static_cast<std::uint64_t>((now.act_max - now.act_min).count()) + 1)));
    const bool lost = in_->dice.chance(now.lost_answers), refused = in_->dice.chance(now.refusals);
    auto say = [plan = &in_->plan, alive = std::weak_ptr<int>(alive_), then = std::move(then)](duration after, result<T> got) mutable {
      plan->in(after, [alive, got = std::move(got), then = std::move(then)]() mutable {
        if (!alive.expired()) then(std::move(got));
      });
    };
    if (!in_->up) return say(std::chrono::microseconds(50), fail(errc::unavailable, "the container runtime does not answer"));
    if (in_->hanging) return say(now.answer_limit, fail(errc::timeout, "context deadline exceeded"));
    const auto rest = lost ? now.answer_limit : whole / 2;
    in_->plan.in(longer + whole / 2, [weak = std::weak_ptr(in_), life = in_->life, rest, lost, refused, verb = std::move(verb), what = std::move(what), say = std::move(say), act]() mutable {
      const auto in = weak.lock();
      if (!in) return;
      auto got = [&]() -> result<T> {
        if (life != in->life) return fail(errc::outcome_unknown, "Socket closed");
        if (in->owner->fault)
          if (auto why = in->owner->fault(verb, what)) return std::move(*why);
        if (refused) return fail(errc::internal, "the simulation refuses " + verb);
        return act();
      }();
      if (lost) got = fail(errc::timeout, "context deadline exceeded");
      say(rest, std::move(got));
    });
  }

  std::shared_ptr<container_machine::inside> in_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

container_machine::container_machine(agenda& on, rng dice, const wall_clock& calendar) : in_(std::make_shared<inside>(*this, on, dice, calendar)) {}
container_machine::~container_machine() = default;

std::unique_ptr<cri::runtime> container_machine::connect() { return std::make_unique<containers_client>(in_); }
void container_machine::kill_runtime() {
  in_->up = false;
  ++in_->life;
}
void container_machine::start_runtime() { in_->up = true; }
void container_machine::hang(bool on) { in_->hanging = on; }
void container_machine::reboot() {
  ++in_->life;
  for (auto& [id, c] : in_->containers) in_->end(id, 255, "Unknown");
  for (auto& [id, s] : in_->sandboxes) s.ready = false, s.addresses.clear();
}
void container_machine::kill_container(const std::string& id, int exit_code, const std::string& reason) { in_->end(id, exit_code, reason); }
void container_machine::add_image(const std::string& name, std::uint64_t bytes) {
  cri::image made;
  made.id = "sha256:" + name;
  made.tags = {name};
  made.bytes = bytes;
  in_->images[name] = made;
  in_->images[made.id] = made;
}
std::vector<cri::image> container_machine::images() const {
  std::vector<cri::image> out;
  for (const auto& [name, one] : in_->images)
    if (name != one.id) out.push_back(one);   // each is there by its name and by its id
  return out;
}
void container_machine::offer_image(const std::string& name, const std::string& password) { in_->offered[name] = password; }
const std::map<std::string, cri::sandbox>& container_machine::sandboxes() const { return in_->sandboxes; }
const std::map<std::string, cri::container>& container_machine::containers() const { return in_->containers; }
std::size_t container_machine::calls() const { return in_->calls; }

}  // namespace troupe::net::sim
