#include "actors/cri/keeper.hpp"

#include <signal.h>

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

// begin --> write its configuration, start it --> ask until it answers --> import the archives, one after the other --> up
//   ^                                                                                                               |
//   '--- after a pause, when it has ended <-------------------------------------------------------------------------'
//
// A containerd that a former life of ours left behind cannot be there: it dies with us (net/host/process.hpp).

namespace troupe::cri {
namespace {

constexpr duration ask_pause = std::chrono::milliseconds(50), watch_pause = std::chrono::seconds(2), ask_limit = std::chrono::seconds(30);

class keeper_state {
 public:
  static constexpr const char* name = "keeper";
  explicit keeper_state(rt::self<keeper_actor> self) : self_(self) {}

  void init(const rt::world& in, keeper_config config, runtime_actor runtime, runtime_owner_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    runtime_ = std::move(runtime);
    owner_ = std::move(owner);
    pause_ = config_.again_first;
    self_->send(rt::strong<keeper_actor>(self_), begin_due{run_});
  }

  keeper_actor::behavior_type make_behavior() {
    return {
        [this](end_runtime) { return finish(); },
        [this](begin_due due) { if (due.run == run_ && !ending_) proceed(); },
        [this](child_said& said) { if (said.run == run_) hear(said.line); },
        [this](child_ended& over) { if (over.run == run_) mourn(over.why); },
        [this](import_ended& done) { if (done.run == run_) imported(done.why); },
    };
  }

 private:
  bool ours() const { return !config_.child.program.empty(); }

  /// The next step, whichever it is: to be started, to be asked, to be watched.
  void proceed() {
    if (ours() && !child_ && !launch()) return;
    ask();
  }

  bool launch() {
    began_ = world_->shard->now();
    if (auto written = prepare(); !written.ok()) return fail_later(written.why().text()), false;
    const auto me = rt::strong<keeper_actor>(self_);
    auto child = world_->processes->start(
        containerd_order(config_.child), [me, run = run_](std::string line) { rt::post(me, child_said{run, std::move(line)}); },
        [me, run = run_](net::process_end how) { rt::post(me, child_ended{run, how.last_lines.empty() ? "it said nothing" : how.last_lines.back()}); });
    if (!child.ok()) return fail_later(child.why().text()), false;
    child_ = std::move(*child);
    log::info("cri.containerd_started", {{"pid", child_->pid()}});
    return true;
  }

  result<void> prepare() {
    const auto& c = config_.child;
    for (const auto& folder : {c.root, c.state, c.images, c.cni_folder, c.registries})
      if (auto made = world_->files->make_folder(folder, folder == c.state ? 0711 : 0700); !made.ok()) return made;
    // What a former registries.yaml asked for goes.
    for (const auto& old : world_->files->list(c.registries).value_or({}))
      if (auto gone = world_->files->remove_tree(c.registries + "/" + old.name); !gone.ok()) return gone;
    for (const auto& [path, text] : hosts_files(c.from))
      if (auto put = world_->files->write(c.registries + "/" + path, text, 0600); !put.ok()) return put;
    if (auto put = world_->files->write(c.images + "/troupe-pause.tar", config_.pause_archive, 0600); !put.ok()) return put;
    return world_->files->write(c.file, containerd_file(c), 0600);
  }

  void ask() {
    self_->request(runtime_, ask_limit, perform{ask_standing{}})
        .then([this, run = run_](outcome&) { if (run == run_) answered(); },
              [this, run = run_](caf::error& why) { if (run == run_) silent(rt::reason(why)); });
  }
  void again(duration after) { self_->delayed_send(rt::strong<keeper_actor>(self_), after, begin_due{run_}); }

  void answered() {
    if (up_) return again(watch_pause);
    if (ours() && !stocked_) return stock();
    self_->request(runtime_, ask_limit, perform{ask_version{}})
        .then([this, run = run_](outcome& got) { if (run == run_) rise(std::get<port::version_info>(got.what)); },
              [this, run = run_](caf::error& why) { if (run == run_) silent(rt::reason(why)); });
  }
  void rise(const port::version_info& who) {
    up_ = true;
    said_.clear();
    log::info("cri.runtime_up", {{"runtime", who.name}, {"version", who.version}});
    self_->send(owner_, runtime_up{who.name + "://" + who.version});
    again(watch_pause);
  }
  void silent(const error& why) {
    // Right after its start nobody answers, which is no news.
    if (!ours() || up_ || world_->shard->now() - began_ > std::chrono::seconds(10)) tell_down(why.note);
    if (!ending_) again(up_ || !ours() ? watch_pause : ask_pause);
  }
  void tell_down(const std::string& why) {
    up_ = false;
    if (why == std::exchange(said_, why)) return;
    log::warn("cri.runtime_down", {{"why", why}});
    self_->send(owner_, runtime_down{why});
  }

  // --- archives -----------------------------------------------------------------------------------

  void stock() {
    if (archives_.empty() && !listed_) archives_ = archives_in(*world_->files, config_.child), listed_ = true;
    if (archives_.empty()) {
      stocked_ = true;
      return answered();
    }
    const auto me = rt::strong<keeper_actor>(self_);
    auto child = world_->processes->start(import_order(config_.child, archives_.front()), [](std::string) {},
        [me, run = run_](net::process_end how) {
          const bool well = how.status == 0 && how.signal == 0;
          rt::post(me, import_ended{run, well ? "" : how.last_lines.empty() ? "ctr failed" : how.last_lines.back()});
        });
    if (!child.ok()) return imported(child.why().text());
    import_ = std::move(*child);
  }
  void imported(const std::string& why) {
    if (archives_.empty()) return;
    if (why.empty()) log::info("cri.archive_imported", {{"archive", archives_.front()}});
    else log::warn("cri.archive_refused", {{"archive", archives_.front()}, {"why", why}});
    archives_.erase(archives_.begin());
    import_.reset();
    stock();
  }

  // --- its end ------------------------------------------------------------------------------------

  void hear(const std::string& line) {
    // Its own log is long and not ours; what it says as an error is worth a line of ours.
    if (line.find("level=fatal") != std::string::npos || line.find("level=panic") != std::string::npos) log::warn("cri.containerd_said", {{"line", line}});
  }
  void mourn(const std::string& last) {
    forget_child();
    if (ending_) {
      if (farewell_.pending()) farewell_.deliver(true);
      return;
    }
    fail_later("containerd ended: " + last);
  }
  void forget_child() {
    child_.reset();
    import_.reset();
    archives_.clear();
    stocked_ = listed_ = false;
    ++run_;
  }
  void fail_later(const std::string& why) {
    tell_down(why);
    if (world_->shard->now() - began_ > config_.settled_after) pause_ = config_.again_first;
    again(pause_);
    pause_ = std::min<duration>(pause_ * 2, config_.again_max);
  }

  caf::result<bool> finish() {
    ending_ = true;
    if (!child_) return true;
    farewell_ = self_->make_response_promise<bool>();
    child_->signal(SIGTERM);
    return farewell_;
  }

  rt::self<keeper_actor> self_;
  const rt::world* world_ = nullptr;
  keeper_config config_;
  runtime_actor runtime_;
  runtime_owner_actor owner_;
  std::unique_ptr<net::process> child_, import_;
  std::vector<std::string> archives_;
  std::string said_;
  mono_time began_{};
  duration pause_{};
  std::uint64_t run_ = 0;
  bool up_ = false, stocked_ = false, listed_ = false, ending_ = false;
  caf::typed_response_promise<bool> farewell_;
};

}  // namespace

keeper_actor make_keeper(const rt::world& in, keeper_config config, runtime_actor runtime, runtime_owner_actor owner) {
  return rt::spawn<keeper_actor, keeper_state>(in, "containerd", in, std::move(config), std::move(runtime), std::move(owner));
}

}  // namespace troupe::cri
