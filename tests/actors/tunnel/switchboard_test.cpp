#include "actors/tunnel/switchboard.hpp"

#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::tunnel;

namespace {

/// Another server, on script: refuses until told otherwise.
struct peers_script {
  bool has_it = false;
  int asked = 0;
  bool all_here_only = true;
};

class fake_peers_state {
 public:
  static constexpr const char* name = "fake_peers";
  explicit fake_peers_state(rt::self<dialer_actor>) {}
  void init(std::shared_ptr<peers_script> script) { script_ = std::move(script); }
  dialer_actor::behavior_type make_behavior() {
    return {[this](open_stream& ask) -> caf::result<stream_box> {
      ++script_->asked;
      script_->all_here_only &= ask.here_only;
      if (!script_->has_it) return rt::refuse(errc::unavailable, "10.0.0.2:6443: no tunnel to node web");
      return stream_box{std::make_shared<net::stream_ptr>()};
    }};
  }

 private:
  std::shared_ptr<peers_script> script_;
};

const open_stream to_web{{"web"}, "127.0.0.1:10250"};

}  // namespace

TEST_CASE("a stream to a node that never connected is refused after the wait, naming the node") {
  testing::stage on;
  const auto board = on.show(make_switchboard(on.world, {}));
  const auto got = on.begin<stream_box>(board, to_web);
  on.run.run_for(4s);
  CHECK(!got->has_value());
  on.run.run_for(2s);
  REQUIRE(got->has_value());
  REQUIRE(!(*got)->ok());
  CHECK((*got)->code() == errc::unavailable);
  CHECK((*got)->why().note == "no tunnel to node web: it has not connected since this server started");
}

TEST_CASE("a stream that only our own tunnels may carry is refused at once") {
  testing::stage on;
  const auto board = on.show(make_switchboard(on.world, {}));
  auto ask = to_web;
  ask.here_only = true;
  const auto got = on.begin<stream_box>(board, ask);
  on.settle();
  REQUIRE(got->has_value());
  CHECK((*got)->code() == errc::unavailable);
}

TEST_CASE("another server's tunnel is used as soon as one has it, and asked for its own only") {
  testing::stage on;
  const auto board = on.show(make_switchboard(on.world, {}));
  const auto script = std::make_shared<peers_script>();
  rt::post(board, use_peers{on.show(rt::spawn<dialer_actor, fake_peers_state>(on.world, "", script))});
  const auto got = on.begin<stream_box>(board, to_web);
  on.run.run_for(2500ms);
  CHECK(!got->has_value());
  CHECK(script->asked == 3);
  script->has_it = true;
  on.run.run_for(1s);
  REQUIRE(got->has_value());
  CHECK((*got)->ok());
  CHECK(script->all_here_only);
}

TEST_CASE("when no server has a tunnel, the refusal says what the others said") {
  testing::stage on;
  const auto board = on.show(make_switchboard(on.world, {}));
  const auto script = std::make_shared<peers_script>();
  rt::post(board, use_peers{on.show(rt::spawn<dialer_actor, fake_peers_state>(on.world, "", script))});
  const auto got = on.begin<stream_box>(board, to_web);
  on.run.run_for(6s);
  REQUIRE(got->has_value());
  CHECK((*got)->why().note == "no tunnel to node web: it has not connected since this server started; other servers: 10.0.0.2:6443: no tunnel to node web");
}

TEST_CASE("dials that wait are bounded") {
  testing::stage on;
  switchboard_config with;
  with.waiting_max = 3;
  const auto board = on.show(make_switchboard(on.world, with));
  std::vector<testing::answer_box<stream_box>> all;
  for (int i = 0; i < 4; ++i) all.push_back(on.begin<stream_box>(board, to_web));   // in whichever order they come
  on.settle();
  CHECK(std::count_if(all.begin(), all.end(), [](const auto& one) { return one->has_value() && (*one)->code() == errc::overloaded; }) == 1);
  CHECK(std::count_if(all.begin(), all.end(), [](const auto& one) { return one->has_value(); }) == 1);
}
