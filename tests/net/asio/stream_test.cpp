#include <netdb.h>

#include <atomic>
#include <thread>
#include <vector>

#include "net/asio/real.hpp"
#include "tests/net/contract.hpp"

using namespace troupe;
using namespace troupe::net;

TEST_CASE("real shard, stream, dialer and acceptor keep the contract") { test::check_contract(test::make_real_stage); }

TEST_CASE("tasks posted from many threads all run on the shard's own thread") {
  const auto loop = real::make_shard("many");
  std::atomic<int> ran{0};
  std::atomic<bool> elsewhere{false};
  loop->start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i)
        loop->post([&] {
          if (!loop->here()) elsewhere = true;
          ++ran;
        });
    });
  for (auto& each : threads) each.join();
  while (ran < 20000) std::this_thread::yield();
  loop->stop();
  CHECK(ran == 20000);
  CHECK_FALSE(elsewhere);
}

TEST_CASE("a name is resolved and its addresses are tried in turn; one that nobody knows is said by name") {
  const auto at = test::make_real_stage();
  stream_ptr far, near;
  auto door = at->accepts().listen(at->anywhere(), [&](stream_ptr s) { far = std::move(s); });
  REQUIRE(door.ok());
  std::optional<error> why;
  const auto dial = [&](const char* name) {
    at->dials().dial({name, (*door)->address().port}, test::patience, [&](result<stream_ptr> s) {
      if (s.ok()) near = std::move(*s);
      else why = s.why();
    });
    REQUIRE(at->until([&] { return (near && far) || why; }));
  };
  dial("nobody.invalid");
  REQUIRE(why.has_value());
  CHECK(why->code == errc::unavailable);
  CHECK(why->note.find("nobody.invalid") != std::string::npos);
  // localhost may also stand for ::1, where nobody listens. A machine without /etc/hosts may know no name at all.
  why.reset();
  addrinfo* known = nullptr;
  const bool named = ::getaddrinfo("localhost", nullptr, nullptr, &known) == 0;
  if (named) ::freeaddrinfo(known);
  dial("localhost");
  CHECK_MESSAGE(why.has_value() != named, (why ? why->text() : ""));
}

TEST_CASE("a port in use names its owner, and a dropped dialer stays silent") {
  const auto loop = real::make_shard("owner");
  const auto doors = real::make_acceptor(*loop);
  auto door = doors->listen({"127.0.0.1", 0}, [](stream_ptr) {});
  REQUIRE(door.ok());
  const auto other = doors->listen((*door)->address(), [](stream_ptr) {});
  REQUIRE_FALSE(other.ok());
  CHECK(other.why().note.find("net_tests (pid ") != std::string::npos);
  bool called = false;
  auto dialer = real::make_dialer(*loop);
  dialer->dial((*door)->address(), test::patience, [&](result<stream_ptr>) { called = true; });
  dialer.reset();
  loop->run_until([] { return false; }, 30ms);
  CHECK_FALSE(called);
}

TEST_CASE("acceptors that share a port book listen on one port together") {
  const auto a = real::make_shard("a"), b = real::make_shard("b");
  const auto book = real::make_port_book();
  const auto on_a = real::make_acceptor(*a, book), on_b = real::make_acceptor(*b, book);
  int at_b = 0;
  endpoint free_port;
  {
    auto probe = on_a->listen({"127.0.0.1", 0}, [](stream_ptr) {});
    REQUIRE(probe.ok());
    free_port = (*probe)->address();
  }
  auto door_a = on_a->listen(free_port, [](stream_ptr) {});
  auto door_b = on_b->listen(free_port, [&](stream_ptr) { ++at_b; });
  REQUIRE(door_a.ok());
  REQUIRE_MESSAGE(door_b.ok(), door_b.why().text());
  const auto dialer = real::make_dialer(*b);
  dialer->dial(free_port, test::patience, [](result<stream_ptr>) {});
  CHECK(b->run_until([&] { return at_b == 1; }, test::patience));  // Loop a never turns, so b takes the call.
}

TEST_CASE("what is left in a stopped shard is dropped, whoever holds whom") {
  auto loop = real::make_shard("dropped");
  auto kept = std::make_shared<int>(7);
  loop->post([kept, &on = *loop] { on.after(1h, [kept] {}); });
  loop->run_until([] { return false; }, 5ms);
  loop->post([kept] {});
  CHECK(kept.use_count() > 1);
  loop->stop();
  CHECK(kept.use_count() == 1);
}

TEST_CASE("a stopped loop and what lives on it do not keep each other") {
  auto kept = std::make_shared<int>(7);
  {
    const auto loop = real::make_shard("evicted");
    const auto doors = real::make_acceptor(*loop);
    const auto dialer = real::make_dialer(*loop);
    stream_ptr near, far;
    auto door = doors->listen({"127.0.0.1", 0}, [kept, &far](stream_ptr s) { far = std::move(s); });
    REQUIRE(door.ok());
    dialer->dial((*door)->address(), test::patience, [kept, &near](result<stream_ptr> s) { near = std::move(*s); });
    REQUIRE(loop->run_until([&] { return near && far; }, test::patience));
    dialer->dial((*door)->address(), test::patience, [kept](result<stream_ptr>) {});
    test::recorder ear;
    far->start(&ear);
    near->write(std::string(9'000'000, 'x'));
    near->close();
    near.reset();
    loop->stop();
    CHECK(far->unsent() == 0);
  }
  CHECK(kept.use_count() == 1);
}
