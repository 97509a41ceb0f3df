#include <map>

#include "actors/apiserver/resources/kind_keeper.hpp"
#include "actors/datastore/shard.hpp"
#include "actors/secrets/key_keeper.hpp"
#include "actors/secrets/token_keeper.hpp"
#include "actors/secrets/vault.hpp"
#include "net/tls/sealing.hpp"
#include "tests/actors/secrets/kept_files.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::secrets;
using testing::kept_files;
using testing::stage;

namespace {

const secret_text old_seal("of the old authority"), new_seal("of the new authority");

/// One server's end of it: the number of its authorities, and of those that wait for its next start.
struct server {
  int lives_by = 0, waits = 0;
  bool full = false;
  token_keeper_actor keeper;
};

/// Authorities are numbers here; "data under <token>: <number>" is what the datastore has of them.
struct cluster {
  explicit cluster(std::uint64_t seed = 1) : on(seed) {
    shard = on.show(datastore::make_shard(on.world, {}, storage::make_memory_engine(disk, [this, pace = std::chrono::milliseconds(1 + seed % 20)](task what) {
      on.run.plan().in(pace, std::move(what));
    })));
  }
  static std::string key_of(const secret_text& password) { return bootstrap_prefix + std::string("of-") + std::string(password.reveal()); }
  server& start(const std::string& name) {
    auto& one = servers[name];
    if (one.waits > one.lives_by) one.lives_by = one.waits;   // as a start does
    token_config with;
    with.now = secret_text("token");
    with.seal = old_seal;
    with.check = [](const secret_text& given) -> result<secret_text> { return given; };
    with.key = key_of;
    with.bootstrap = [&one](const secret_text& password, const json& replaced) -> result<storage::operation> {
      const int number = replaced.is_number() ? replaced.get<int>() : std::max(one.lives_by, one.waits);
      return storage::operation{storage::operation::kind::create, key_of(password), bytes(std::to_string(number)), 0};
    };
    with.judge = [&one](const json& offered, bool force) -> result<json> {
      if (!offered.is_number()) return fail(errc::invalid, "that is no authority");
      if (one.waits > one.lives_by && !force) return fail(errc::conflict, "others wait already");
      return json(std::max(one.lives_by, one.waits) + 1);
    };
    with.stage = [&one](const json& replaced) -> result<void> {
      if (one.full) return fail(errc::internal, "no space left");
      return one.waits = replaced.get<int>(), result<void>();
    };
    with.take = [&one](const secret_text&, std::string_view data) -> result<heard> {
      const int there = std::stoi(std::string(data));
      if (there < one.lives_by) return heard::stale;
      if (there == one.lives_by || there <= one.waits) return heard::known;
      if (one.full) return fail(errc::internal, "no space left");
      one.waits = there;
      return heard::staged;
    };
    with.apply = [](const secret_text&) -> result<passwords_changed> { return passwords_changed{}; };
    one.keeper = on.show(make_token_keeper(on.world, std::move(with), datastore::writer_actor(shard)));
    return one;
  }
  void settle(duration much = 30s) { on.settle(), on.run.run_for(much), on.settle(); }
  result<bool> replace(server& at, const json& offered, bool force = false) { return on.ask<bool>(at.keeper, replace_authorities{offered, force}); }
  std::map<std::string, std::string> kept(const std::string& prefix = bootstrap_prefix) {
    auto published = std::make_shared<std::vector<datastore::changes_published>>();
    const auto page = on.ask<storage::page>(shard, datastore::follow_prefix{prefix, testing::make_listener<datastore::follower_actor, datastore::changes_published>(on, published)});
    REQUIRE(page.ok());
    std::map<std::string, std::string> out;
    for (const auto& one : page->records) out[one.key] = one.value.str();
    return out;
  }
  std::map<std::string, server> servers;   // outlives the actors, which look into it
  stage on;
  std::shared_ptr<storage::memory_disk> disk = std::make_shared<storage::memory_disk>();
  datastore::shard_actor shard;
};

/// A keeper of keys over a keeper of Secrets, with seals of its own.
struct key_server {
  kept_files files;
  rt::world world;
  std::vector<other_seal> others;
  apiserver::kind_keeper_actor secrets;
  key_keeper_actor keys;
  std::shared_ptr<std::vector<apiserver::changes_applied>> heard = std::make_shared<std::vector<apiserver::changes_applied>>();
};
void open_secrets(cluster& in, key_server& one) {
  REQUIRE(in.on.ask<model::revision_number>(one.secrets, apiserver::start_keeping{testing::make_listener<apiserver::change_sink_actor, apiserver::changes_applied>(in.on, one.heard)}).ok());
}
void start_keys(cluster& in, key_server& one, const secret_text& seal, const std::string& name, bool encrypts) {
  one.world = in.on.world;
  one.world.files = &one.files;
  std::optional<encryption> now;
  if (encrypts) now = make_encryption(one.world, "/s").value_or(encryption{});
  apiserver::keeper_config with;
  with.kind = apiserver::schema::find("", "v1", "secrets");
  with.shared = true;
  one.secrets = in.on.show(apiserver::make_kind_keeper(one.world, std::move(with), datastore::writer_actor(in.shard)));
  keys_config keys{"/s", *parse_node_name(name), now, seal};
  keys.others = [&one] { return one.others; };
  auto script = std::make_shared<testing::api_script>();
  script->on_call = [](const client::api_call&) { return client::api_answer{200, "{}"}; };
  one.keys = in.on.show(make_key_keeper(one.world, std::move(keys), datastore::writer_actor(in.shard), caf::actor_cast<rewriter_actor>(one.secrets), caf::actor_cast<client::api_actor>(testing::make_fake_api(in.on, script))));
}
bool sealed_by(cluster& in, const secret_text& seal) { return net::tls::unseal(seal, in.kept(keys_prefix).at(keys_key)).ok(); }

}  // namespace

TEST_CASE("authorities offered to one server wait for the next start of every server, also of one that was away") {
  cluster in;
  auto& a = in.start("a");
  auto& b = in.start("b");
  in.settle();
  CHECK(in.kept().at("/bootstrap/of-token") == "0");
  CHECK(in.replace(a, "noise").code() == errc::invalid);
  REQUIRE(in.replace(a, 1).ok());
  in.settle();
  CHECK(a.waits == 1);
  CHECK(b.waits == 1);
  CHECK(b.lives_by == 0);
  CHECK(in.kept() == std::map<std::string, std::string>{{"/bootstrap/of-token", "1"}});
  CHECK(in.replace(b, 2).code() == errc::conflict);
  auto& late = in.start("late");
  in.settle();
  CHECK(late.waits == 1);
  // A token that is changed meanwhile takes them along.
  REQUIRE(in.on.ask<passwords_changed>(b.keeper, change_token{secret_text("other")}).ok());
  in.settle();
  CHECK(in.kept().at("/bootstrap/of-other") == "1");
  CHECK(in.kept().size() == 2);
}

TEST_CASE("of authorities that are older than a server's own the datastore is cured") {
  cluster in;
  auto& a = in.start("a");
  in.settle();
  rt::end(a.keeper);
  a.lives_by = 3;
  in.start("a");
  in.settle();
  CHECK(in.kept().at("/bootstrap/of-token") == "3");
}

TEST_CASE("a server whose disk is full takes authorities as soon as there is room, and says so when it was asked") {
  cluster in;
  auto& a = in.start("a");
  auto& b = in.start("b");
  in.settle();
  b.full = true;
  REQUIRE(in.replace(a, 1).ok());
  in.settle();
  CHECK(b.waits == 0);
  b.full = false;
  in.settle(5s);
  CHECK(b.waits == 1);
  a.full = true;
  const auto got = in.replace(a, 2, true);
  REQUIRE_FALSE(got.ok());
  CHECK(got.why().note.find("the cluster has the new authorities, but this server cannot write them down") != std::string::npos);
  in.settle();
  CHECK(b.waits == 2);
}

TEST_CASE("however servers are asked for others at once and start anew: all come to live by the same, and the datastore has them") {
  int changed = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    cluster in(seed);
    rng dice(seed * 104729);
    for (const char* name : {"a", "b", "c"}) in.start(name);
    in.settle(1s);
    for (int step = 0; step < 12; ++step) {
      const std::string name(1, static_cast<char>('a' + dice.below(3)));
      auto& at = in.servers.at(name);
      switch (dice.below(4)) {
        case 0: at.full = !at.full; break;
        case 1: rt::end(at.keeper), in.start(name); break;
        default: rt::post(at.keeper, replace_authorities{1, dice.below(2) == 0});
      }
      in.on.run.run_for(std::chrono::milliseconds(dice.below(60)));
    }
    for (auto& [name, one] : in.servers) one.full = false;
    in.settle();
    for (auto& [name, one] : in.servers) rt::end(one.keeper), in.start(name);
    in.settle();
    const auto holds = in.kept().at("/bootstrap/of-token");
    for (const auto& [name, one] : in.servers) CHECK_MESSAGE(std::to_string(one.lives_by) == holds, name);
    changed += holds != "0";
  }
  CHECK(changed > 15);
}

TEST_CASE("the keys of Secrets are read under the former authority's seal, and lie under the new one from then on") {
  cluster in;
  key_server before, after, later;
  start_keys(in, before, old_seal, "before", true);
  in.settle();
  REQUIRE(sealed_by(in, old_seal));
  open_secrets(in, before);
  // One server has started with the new authority; the other knows that it will.
  before.others = {{new_seal, false}};
  after.others = {{old_seal, true}};
  start_keys(in, after, new_seal, "after", false);
  REQUIRE(in.on.ask<bool>(after.keys, learn_keys{}).ok());
  open_secrets(in, after);
  in.settle();
  CHECK(sealed_by(in, new_seal));
  CHECK(after.files.all.contains("/s/cred/encryption-config.json"));
  // Keys change at either of them, and both hold by what comes of it.
  for (auto* one : {&before, &after}) {
    auto box = in.on.begin<encryption_told>(one->keys, change_encryption{{{"stage", "rotate_keys"}}});
    REQUIRE(in.on.run.run_until([&] { return box->has_value(); }, 60s));
    REQUIRE((*box)->ok());
    in.settle();
    CHECK(before.files.all.at("/s/cred/encryption-config.json") == after.files.all.at("/s/cred/encryption-config.json"));
  }
  // Who never had the old one reads it all the same: it was sealed anew.
  REQUIRE(sealed_by(in, new_seal));
  start_keys(in, later, new_seal, "later", false);
  REQUIRE(in.on.ask<bool>(later.keys, learn_keys{}).ok());
}

TEST_CASE("a server that was away waits for its new authority's seal before it reads keys, and refuses when it hears of none") {
  cluster in;
  key_server first, away, stranger;
  start_keys(in, first, new_seal, "first", true);
  in.settle();
  start_keys(in, away, old_seal, "away", false);
  auto learned = in.on.begin<bool>(away.keys, learn_keys{});
  in.settle(3s);
  CHECK_FALSE(learned->has_value());
  away.others = {{new_seal, false}};
  in.settle(5s);
  REQUIRE(learned->has_value());
  CHECK((*learned)->ok());
  start_keys(in, stranger, old_seal, "stranger", false);
  auto refused = in.on.begin<bool>(stranger.keys, learn_keys{});
  REQUIRE(in.on.run.run_until([&] { return refused->has_value(); }, 60s));
  CHECK((*refused)->code() == errc::corrupt);
  CHECK(stranger.files.all.empty());
}
