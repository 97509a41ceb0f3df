#include "actors/secrets/token_keeper.hpp"

#include <map>
#include <set>

#include "actors/datastore/shard.hpp"
#include "net/tls/sealing.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::secrets;
using testing::stage;

namespace {

const secret_text seal("what only servers have");

/// One server's end of it: its files, and whether they may be written.
struct server {
  secret_text written{"first"};
  bool full = false;
  int writes = 0;
  token_keeper_actor keeper;
};

struct cluster {
  explicit cluster(std::uint64_t seed = 1) : on(seed) {
    shard = on.show(datastore::make_shard(on.world, {}, storage::make_memory_engine(disk, [this, pace = std::chrono::milliseconds(1 + seed % 20)](task what) {
      on.run.plan().in(pace, std::move(what));   // in order, as a disk's
    })));
  }
  static std::string key_of(const secret_text& password) { return bootstrap_prefix + std::string("of-") + std::string(password.reveal()); }
  server& start(const std::string& name, secret_text known) {
    auto& one = servers[name];
    one.written = known;
    token_config with;
    with.now = std::move(known);
    with.seal = seal;
    with.check = [](const secret_text& given) -> result<secret_text> {
      if (given.reveal().size() < 3) return fail(errc::invalid, "too short");
      return given;
    };
    with.key = key_of;
    with.bootstrap = [](const secret_text& password, const json&) -> result<storage::operation> {
      return storage::operation{storage::operation::kind::create, key_of(password), bytes("data under " + std::string(password.reveal())), 0};
    };
    with.take = [](const secret_text&, std::string_view) -> result<heard> { return heard::known; };
    with.apply = [&one](const secret_text& password) -> result<passwords_changed> {
      if (one.full) return fail(errc::internal, "no space left");
      ++one.writes;
      one.written = password;
      return passwords_changed{};
    };
    one.keeper = on.show(make_token_keeper(on.world, std::move(with), datastore::writer_actor(shard)));
    return one;
  }
  void settle(duration much = 30s) { on.settle(), on.run.run_for(much), on.settle(); }
  result<passwords_changed> change(server& at, const std::string& wanted) { return on.ask<passwords_changed>(at.keeper, change_token{secret_text(wanted)}); }
  /// The keys below /bootstrap/ and the token that the record names.
  std::pair<std::set<std::string>, std::string> kept() {
    auto published = std::make_shared<std::vector<datastore::changes_published>>();
    const auto page = on.ask<storage::page>(shard, datastore::follow_prefix{bootstrap_prefix, testing::make_listener<datastore::follower_actor, datastore::changes_published>(on, published)});
    REQUIRE(page.ok());
    std::pair<std::set<std::string>, std::string> out;
    for (const auto& one : page->records) {
      out.first.insert(one.key);
      if (one.key == token_key) out.second = net::tls::unseal(seal, one.value.view()).value_or("unreadable");
    }
    return out;
  }
  std::map<std::string, server> servers;   // outlives the actors, which look into it
  stage on;
  std::shared_ptr<storage::memory_disk> disk = std::make_shared<storage::memory_disk>();
  datastore::shard_actor shard;
};

}  // namespace

TEST_CASE("a token changed at one server is every server's, and nothing lies under the old one any more") {
  cluster in;
  auto& a = in.start("a", secret_text("first"));
  auto& b = in.start("b", secret_text("first"));
  in.settle();
  CHECK(in.kept().first == std::set<std::string>{"/bootstrap/of-first"});
  REQUIRE(in.change(a, "second").ok());
  in.settle();
  CHECK(a.written.reveal() == "second");
  CHECK(b.written.reveal() == "second");
  CHECK(in.kept() == std::pair(std::set<std::string>{"/bootstrap/of-second", token_key}, std::string("second")));
  // Who was away finds it at its start.
  auto& late = in.start("late", secret_text("first"));
  in.settle();
  CHECK(late.written.reveal() == "second");
  CHECK(in.kept().first.size() == 2);
}

TEST_CASE("what cannot be a token is refused, and a second change waits for the first") {
  cluster in;
  auto& a = in.start("a", secret_text("first"));
  in.settle();
  CHECK(in.change(a, "x").why().code == errc::invalid);
  auto first = in.on.begin<passwords_changed>(a.keeper, change_token{secret_text("second")});
  CHECK(in.change(a, "third").why().code == errc::overloaded);
  in.settle();
  CHECK(a.written.reveal() == "second");
}

TEST_CASE("a server whose disk is full takes the token as soon as there is room") {
  cluster in;
  auto& a = in.start("a", secret_text("first"));
  auto& b = in.start("b", secret_text("first"));
  in.settle();
  b.full = true;
  REQUIRE(in.change(a, "second").ok());
  in.settle();
  CHECK(b.written.reveal() == "first");
  b.full = false;
  in.settle(5s);
  CHECK(b.written.reveal() == "second");
  // Asked at one that is full: the cluster has it, and the answer says what is missing.
  b.full = true;
  CHECK(in.change(b, "third").why().note.find("the cluster has the new token, but this server cannot write it down") != std::string::npos);
  in.settle(1s);
  CHECK(a.written.reveal() == "third");
}

TEST_CASE("however servers change the token at once, start anew and run out of room: one token holds, at all of them") {
  int changed = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    cluster in(seed);
    rng dice(seed * 7919);
    for (const char* name : {"a", "b", "c"}) in.start(name, secret_text("first"));
    in.settle(1s);
    std::set<std::string> wanted{"first"};
    for (int step = 0; step < 12; ++step) {
      auto& at = in.servers.at(std::string(1, static_cast<char>('a' + dice.below(3))));
      switch (dice.below(4)) {
        case 0: at.full = !at.full; break;
        case 1: {   // its next life begins with what its files say
          rt::end(at.keeper);
          const std::string name = &at == &in.servers.at("a") ? "a" : &at == &in.servers.at("b") ? "b" : "c";
          in.start(name, at.written);
          break;
        }
        default: {
          const auto token = "token" + std::to_string(step);
          wanted.insert(token);
          rt::post(at.keeper, change_token{secret_text(token)});
        }
      }
      in.on.run.run_for(std::chrono::milliseconds(dice.below(60)));
    }
    for (auto& [name, one] : in.servers) one.full = false;
    in.settle();
    const auto [keys, holds] = in.kept();
    const std::string expected = holds.empty() ? "first" : holds;
    CHECK(wanted.contains(expected));
    for (const auto& [name, one] : in.servers) CHECK_MESSAGE(one.written.reveal() == expected, name);
    CHECK(keys.contains(cluster::key_of(secret_text(expected))));
    changed += holds.empty() ? 0 : 1;
  }
  CHECK(changed > 15);
}
