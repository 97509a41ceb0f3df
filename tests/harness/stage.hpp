// A stage for tests of actors: the deterministic scheduler, a virtual calendar, seeded chance, and short
// ways to ask an actor and to stand in for an API. One per test case; ends every actor it was shown.
#pragma once
#include <doctest/doctest.h>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/client/messages.hpp"
#include "actors/runtime/deterministic.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"
#include "net/tls/openssl.hpp"
#include "storage/memory/memory.hpp"

namespace troupe::testing {

class seeded_entropy final : public entropy {
 public:
  explicit seeded_entropy(rng dice) : dice_(dice) {}
  std::string draw(std::size_t count) override {
    std::string out;
    while (out.size() < count) out.push_back(static_cast<char>(dice_.below(256)));
    return out;
  }

 private:
  rng dice_;
};

/// 2026-11-22T07:00:00Z when the run begins; moves with virtual time.
class virtual_calendar final : public wall_clock {
 public:
  explicit virtual_calendar(rt::deterministic& run) : run_(&run), began_(run.now()) {}
  wall_time now() const override { return *parse_rfc3339("2026-11-22T07:00:00Z") + (run_->now() - began_); }

 private:
  rt::deterministic* run_;
  mono_time began_;
};

/// The shard of a stage: posts and timers go through the run's agenda.
class virtual_shard final : public net::shard {
 public:
  explicit virtual_shard(rt::deterministic& run) : run_(&run) {}
  void post(task what) override { run_->plan().in(duration(0), std::move(what)); }
  net::timer_id after(duration wait, task what) override {
    timers_[++numbers_] = run_->plan().in(wait, std::move(what));
    return numbers_;
  }
  void cancel(net::timer_id which) override {
    if (const auto found = timers_.find(which); found != timers_.end()) run_->plan().cancel(found->second);
  }
  mono_time now() const override { return run_->now(); }

 private:
  rt::deterministic* run_;
  std::map<net::timer_id, agenda::entry> timers_;
  net::timer_id numbers_ = 0;
};

/// What an ask has come to so far.
template <class R>
using answer_box = std::shared_ptr<std::optional<result<R>>>;

class stage {
 public:
  explicit stage(std::uint64_t seed = 1) : run(seed), calendar(run), shard(run), chance(rng(seed).fork("entropy")) {
    log::set_sink([this](const log::record& line) { said.emplace_back(line.event); });
    world.system = &run.system();
    world.simulated = true;
    world.shard = &shard;
    world.wall = &calendar;
    world.chance = &chance;
    world.dice = rng(seed).fork("world");
    world.issuer = issuer.get();
    world.give_up = [this](const std::string& why) { gave_up = why; };
  }
  ~stage() {
    for (auto it = enders_.rbegin(); it != enders_.rend(); ++it) (*it)();
    enders_.clear();
    run.run_for(1s);
    log::set_sink(nullptr);
  }
  stage(const stage&) = delete;

  /// Ends `whom` with the stage.
  template <class H>
  H show(H whom) {
    enders_.push_back([whom] { rt::end(whom); });
    return whom;
  }

  /// Asks without waiting.
  template <class R, class H, class M>
  answer_box<R> begin(const H& whom, M what) {
    auto box = std::make_shared<std::optional<result<R>>>();
    // `whom` is an argument, because for a function without any the library binds a reference to nothing.
    run.system().spawn([box, what = std::move(what)](caf::event_based_actor* self, const H& to) mutable {
      self->request(to, caf::infinite, std::move(what))
          .then([box](R& got) { box->emplace(std::move(got)); },
                [box](caf::error& why) { box->emplace(rt::reason(why)); });
    }, whom);
    return box;
  }
  /// Asks and runs until there is an answer, at most ten virtual seconds.
  template <class R, class H, class M>
  result<R> ask(const H& whom, M what) {
    auto box = begin<R>(whom, std::move(what));
    REQUIRE(run.run_until([&] { return box->has_value(); }, 10s));
    return std::move(**box);
  }
  /// Lets everything that is ready happen, without moving far in time.
  void settle() { run.run_for(1ms); }

  rt::deterministic run;
  virtual_calendar calendar;
  virtual_shard shard;
  seeded_entropy chance;
  std::unique_ptr<net::tls::issuer> issuer = net::tls::make_openssl_issuer();
  rt::world world;
  std::string gave_up;
  std::vector<std::string> said;   ///< Events that were logged.

 private:
  std::vector<std::function<void()>> enders_;
};

/// test -> fake API: answer what was held, as the script says now.
struct release_held {};
using fake_api_actor = rt::handle<client::api_answer(client::api_call), void(client::open_watch), void(client::close_watch), void(release_held)>;

/// An API on script: keeps what it was asked, answers as the test says.
struct api_script {
  /// The answer; an error for "no answer came"; nothing to hold it until `release_held`.
  using reply = std::optional<result<client::api_answer>>;
  std::function<reply(const client::api_call&)> on_call = [](const client::api_call&) { return client::api_answer{404, ""}; };
  std::vector<client::api_call> calls;
  std::vector<client::open_watch> watches;
  std::vector<std::uint64_t> closed;
  std::deque<std::pair<client::api_call, caf::typed_response_promise<client::api_answer>>> held;
  /// Sends an event on the newest watch.
  void tell(std::string type, json object) const {
    REQUIRE(!watches.empty());
    rt::post(watches.back().to, client::watch_event{watches.back().watch, std::move(type), std::make_shared<const json>(std::move(object))});
  }
};

class fake_api_state {
 public:
  static constexpr const char* name = "fake_api";
  explicit fake_api_state(rt::self<fake_api_actor> self) : self_(self) {}
  void init(std::shared_ptr<api_script> script) { script_ = std::move(script); }
  fake_api_actor::behavior_type make_behavior() {
    return {
        [this](client::api_call& call) -> caf::result<client::api_answer> {
          script_->calls.push_back(call);
          auto got = script_->on_call(call);
          if (!got) {
            auto answer = self_->make_response_promise<client::api_answer>();
            script_->held.emplace_back(std::move(call), answer);
            return answer;
          }
          if (!got->ok()) return rt::refuse(got->why());
          return **got;
        },
        [this](client::open_watch& ask) { script_->watches.push_back(std::move(ask)); },
        [this](client::close_watch& ask) { script_->closed.push_back(ask.watch); },
        [this](release_held) { release(); },
    };
  }

 private:
  // Inside a message of ours, because a promise speaks through the actor that runs.
  void release() {
    auto all = std::move(script_->held);
    script_->held.clear();
    for (auto& [call, promise] : all) {
      auto got = script_->on_call(call);
      REQUIRE(got.has_value());
      if (got->ok()) promise.deliver(**got);
      else promise.deliver(rt::refuse(got->why()));
    }
  }

  rt::self<fake_api_actor> self_;
  std::shared_ptr<api_script> script_;
};

inline fake_api_actor make_fake_api(stage& on, std::shared_ptr<api_script> script) {
  return on.show(rt::spawn<fake_api_actor, fake_api_state>(on.world, "", std::move(script)));
}

/// An actor of one message that keeps all it got: `keeps_t<void(changes_published)>`-like facets of one.
template <class H, class M>
class listener_state {
 public:
  static constexpr const char* name = "listener";
  explicit listener_state(rt::self<H>) {}
  void init(std::shared_ptr<std::vector<M>> heard) { heard_ = std::move(heard); }
  typename H::behavior_type make_behavior() {
    return {[this](M& what) { heard_->push_back(std::move(what)); }};
  }

 private:
  std::shared_ptr<std::vector<M>> heard_;
};
template <class H, class M>
H make_listener(stage& on, std::shared_ptr<std::vector<M>> heard) {
  return on.show(rt::spawn<H, listener_state<H, M>>(on.world, "", std::move(heard)));
}

}  // namespace troupe::testing

RT_MESSAGE(troupe::testing::release_held)
