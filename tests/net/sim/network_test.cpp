#include "net/sim/network.hpp"

#include <vector>

#include "net/http/client.hpp"
#include "net/http/server.hpp"
#include "tests/net/contract.hpp"

using namespace troupe;
using namespace troupe::net;

TEST_CASE("simulated shard, stream, dialer and acceptor keep the contract") { test::check_contract(test::make_sim_stage); }

namespace {

/// A network of three, and time that is turned by hand.
struct lab {
  explicit lab(std::uint64_t seed = 1) : network(sim::make_network(time, rng(seed), *parse_rfc3339("2026-11-22T06:00:00Z"))) {
    for (int i = 1; i <= 3; ++i) network->add("n" + std::to_string(i), {"10.0.0." + std::to_string(i)});
  }
  void run(duration span) {
    const auto end = time.now() + span;
    for (;;) {
      if (time.run_one()) continue;
      const auto next = time.next_due();
      if (!next || *next > end) break;
      time.advance_to(*next);
    }
    time.advance_to(end);
  }
  sim::computer& at(int i) { return network->find("n" + std::to_string(i)); }

  agenda time;
  std::unique_ptr<sim::network> network;
};

/// One connection from n1 to n2, with ears on both ends.
struct joined {
  explicit joined(lab& in) {
    auto opened = in.at(2).accepts().listen({"0.0.0.0", 80}, [this](stream_ptr s) {
      s->start(&far_ear);
      far = std::move(s);
    });
    REQUIRE(opened.ok());
    door = std::move(*opened);
    in.at(1).dials().dial({"n2", 80}, 5s, [this](result<stream_ptr> s) {
      if (!s) return void(why = s.why());
      near = std::move(*s);
      near->start(&near_ear);
    });
    in.run(1s);
  }
  test::recorder near_ear, far_ear;
  stream_ptr near, far;
  std::unique_ptr<listener> door;
  std::optional<error> why;
};

}  // namespace

TEST_CASE("a partition holds what is under way, and healing brings it in order") {
  lab in;
  joined l(in);
  REQUIRE(l.near);
  in.network->partition("n1", "n2");
  for (int i = 0; i < 10; ++i) {
    l.near->write(std::to_string(i));
    in.run(100ms);
  }
  CHECK(l.far_ear.text.empty());
  in.network->heal();
  in.run(1s);
  CHECK(l.far_ear.text == "0123456789");
  CHECK(l.near_ear.closes == 0);
}

TEST_CASE("a partition that lasts ends connections as keep-alive would, and refuses no dial but lets it time out") {
  lab in;
  joined l(in);
  in.network->partition("n1", "n2");
  std::optional<error> why;
  in.at(1).dials().dial({"10.0.0.2", 80}, 3s, [&](result<stream_ptr> s) { why = s.why(); });
  in.run(2900ms);
  CHECK_FALSE(why.has_value());
  in.run(200ms);
  REQUIRE(why.has_value());
  CHECK(why->code == errc::timeout);
  in.run(sim::dead_peer_after);
  CHECK(l.near_ear.closes == 1);
  CHECK(l.far_ear.closes == 1);
  CHECK(l.near_ear.end->code == errc::timeout);
  in.network->heal("n1", "n2");
  in.at(1).dials().dial({"10.0.0.2", 80}, 3s, [&](result<stream_ptr> s) { CHECK(s.ok()); });
  in.run(1s);
}

TEST_CASE("a crash that resets is heard at once; one that is silent after a minute; files stay, tasks do not") {
  for (const auto how : {sim::loss::reset, sim::loss::silent}) {
    lab in;
    joined l(in);
    bool ran = false;
    in.at(2).on().after(10s, [&] { ran = true; });
    REQUIRE(in.at(2).disk().write("/a", "kept", 0600).ok());
    in.network->crash("n2", how);
    l.far.reset();
    l.door.reset();
    CHECK_FALSE(in.at(2).up());
    std::optional<error> why;
    in.at(1).dials().dial({"10.0.0.2", 80}, 5s, [&](result<stream_ptr> s) { why = s.why(); });
    in.run(6s);
    CHECK(l.near_ear.closes == (how == sim::loss::reset ? 1 : 0));
    REQUIRE(why.has_value());
    CHECK(why->code == (how == sim::loss::reset ? errc::refused : errc::timeout));
    in.run(sim::dead_peer_after);
    CHECK(l.near_ear.closes == 1);
    CHECK(l.far_ear.closes == 0);
    CHECK_FALSE(ran);
    in.network->restart("n2");
    CHECK(*in.at(2).disk().read("/a") == "kept");
    in.run(10s);
    CHECK_FALSE(ran);
  }
}

TEST_CASE("a restarted computer resets the connections of its former life") {
  lab in;
  joined l(in);
  in.network->crash("n2", sim::loss::silent);
  l.far.reset();
  in.network->restart("n2");
  l.near->write("are you there");
  in.run(1s);
  CHECK(l.near_ear.closes == 1);
  CHECK(in.network->connections() == 0);
}

TEST_CASE("names, unknown hosts, black holes and lost dials behave as on a bad day") {
  lab in;
  std::vector<errc> seen;
  const auto dial = [&](endpoint to) {
    in.at(1).dials().dial(to, 1s, [&](result<stream_ptr> s) { seen.push_back(s.ok() ? errc{} : s.code()); });
    in.run(2s);
  };
  dial({"nowhere", 80});
  dial({"n3", 80});
  in.network->black_hole("n3");
  dial({"n3", 80});
  in.network->heal();
  sim::conditions bad;
  bad.lost_dials = 100;
  in.network->set_conditions("n1", "n3", bad);
  dial({"n3", 80});
  CHECK(seen == std::vector{errc::unavailable, errc::refused, errc::timeout, errc::timeout});
}

TEST_CASE("connections break by chance, as often as the conditions say") {
  lab in;
  sim::conditions bad;
  bad.cut_connections = 100;
  in.network->set_conditions(bad);
  joined l(in);
  in.run(bad.cut_within);
  CHECK(l.near_ear.closes + l.far_ear.closes == 2);
}

TEST_CASE("the same seed gives the same run to the nanosecond, another seed another") {
  const auto trace = [](std::uint64_t seed) {
    lab in(seed);
    sim::conditions rough;
    rough.stalls = 20;
    rough.cut_connections = 30;
    in.network->set_conditions(rough);
    std::string out;
    std::vector<std::unique_ptr<test::recorder>> ears;
    std::vector<stream_ptr> held;
    auto door = in.at(2).accepts().listen({"10.0.0.2", 80}, [&](stream_ptr s) {
      s->write(in.at(2).chance().uuid());
      held.push_back(std::move(s));
    });
    for (int i = 0; i < 20; ++i)
      in.at(i % 2 == 0 ? 1 : 3).dials().dial({"n2", 80}, 5s, [&, i](result<stream_ptr> s) {
        ears.push_back(std::make_unique<test::recorder>());
        auto* ear = ears.back().get();
        ear->on_text = [&, i](std::string_view t) { out += std::to_string(i) + "@" + std::to_string(in.time.now().time_since_epoch().count()) + std::string(t); };
        ear->on_end = [&, i] { out += "end" + std::to_string(i) + "@" + std::to_string(in.time.now().time_since_epoch().count()); };
        (*s)->start(ear);
        held.push_back(std::move(*s));
      });
    in.run(100s);
    return out;
  };
  CHECK(trace(5) == trace(5));
  CHECK(trace(5) != trace(6));
  CHECK(trace(5).size() > 1000);
}

TEST_CASE("wall clocks follow the agenda, and may be wrong") {
  lab in;
  in.run(90s);
  CHECK(to_rfc3339(in.at(1).wall().now()) == "2026-11-22T06:01:30Z");
  in.at(1).set_skew(-1h);
  CHECK(to_rfc3339(in.at(1).wall().now()) == "2026-11-22T05:01:30Z");
  CHECK(in.at(2).facts().facts("/").default_address == "10.0.0.2");
}

TEST_CASE("simulated files behave as real ones do") {
  lab in;
  auto& disk = in.at(1).disk();
  CHECK(disk.read("/x").code() == errc::not_found);
  REQUIRE(disk.write("/a/b/c", "one", 0600).ok());
  CHECK(disk.exists("/a/b"));
  CHECK_FALSE(disk.exists("/a/bb"));
  CHECK(disk.create("/a/b/c", "two", 0600).code() == errc::already_exists);
  CHECK(disk.link("c", "/a/b/link").ok());
  CHECK(*disk.read("/a/b/link") == "one");
  CHECK(disk.remove("/a/b/c").ok());
  CHECK(disk.remove("/a/b/c").ok());
  CHECK_FALSE(disk.exists("/a/b/link"));
  CHECK(disk.make_folder("/d", 0700).ok());
  CHECK(disk.exists("/d"));
}

namespace {
/// A server on n2 whose clients are slow; answers what it says to `text`, sent piece by piece.
std::string slowly(const std::vector<std::string>& pieces, duration between, duration after) {
  lab in;
  joined l(in);
  auto config = std::make_shared<http::server_config>();
  config->wall = &in.at(2).wall();
  config->on_request = [](http::request, http::exchange_ptr to) { to->respond({200, {}, {}}); };
  const auto served = http::serve(in.at(2).on(), std::move(l.far), config);
  for (const auto& piece : pieces) {
    l.near->write(piece);
    in.run(between);
  }
  in.run(after);
  return l.near_ear.text.substr(0, 12) + (l.near_ear.closes > 0 ? " closed" : " open");
}
}  // namespace

TEST_CASE("a slow head or body is answered 408 at its limit, an idle connection is closed without a word") {
  CHECK(slowly({"GET / HTTP/1.1\r\n"}, 9s, 0s) == " open");
  CHECK(slowly({"GET / HTTP/1.1\r\n"}, 9s, 10s) == "HTTP/1.1 408 closed");
  CHECK(slowly(std::vector<std::string>(30, "x"), 1s, 0s) == "HTTP/1.1 408 closed");  // A byte a second does not help.
  CHECK(slowly({"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n"}, 59s, 0s) == " open");
  CHECK(slowly({"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n"}, 59s, 10s) == "HTTP/1.1 408 closed");
  CHECK(slowly({}, 0s, http::idle_limit - 5s) == " open");
  CHECK(slowly({}, 0s, http::idle_limit + 10s) == " closed");
  CHECK(slowly({"GET / HTTP/1.1\r\nhost: a\r\n\r\n"}, 0s, http::idle_limit - 5s) == "HTTP/1.1 200 open");
  CHECK(slowly({"GET / HTTP/1.1\r\nhost: a\r\n\r\n"}, 0s, http::idle_limit + 10s) == "HTTP/1.1 200 closed");
}
