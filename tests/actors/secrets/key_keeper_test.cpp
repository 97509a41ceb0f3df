#include "actors/secrets/key_keeper.hpp"

#include <map>
#include <set>

#include "actors/apiserver/resources/kind_keeper.hpp"
#include "actors/datastore/shard.hpp"
#include "actors/secrets/vault.hpp"
#include "basis/bytes.hpp"
#include "net/tls/sealing.hpp"
#include "tests/actors/secrets/kept_files.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::secrets;
using testing::kept_files;
using testing::stage;

namespace {

const secret_text seal("what only servers have");
const json enable{{"enable", true}}, disable{{"enable", false}}, rotate{{"stage", "rotate_keys"}};
const std::string cipher = "k8s:enc:aescbc:v1:", config_path = "/s" + std::string(config_file);

/// One server's end of it: its files, its keeper of Secrets and of keys.
struct server {
  kept_files files;
  rt::world world;
  apiserver::kind_keeper_actor secrets;
  key_keeper_actor keys;
  std::shared_ptr<std::vector<apiserver::changes_applied>> heard;
  bool runs = false;
};

struct cluster {
  explicit cluster(std::uint64_t seed = 1) : on(seed) {
    shard = on.show(datastore::make_shard(on.world, {}, storage::make_memory_engine(disk, [this, pace = std::chrono::milliseconds(1 + seed % 20)](task what) {
      on.run.plan().in(pace, std::move(what));
    })));
    // Nodes that are there, unless the test deleted them.
    script->on_call = [this](const client::api_call& call) { return client::api_answer{deleted.contains(call.path.substr(call.path.rfind('/') + 1)) ? 404 : 200, "{}"}; };
    api = caf::actor_cast<client::api_actor>(testing::make_fake_api(on, script));
  }
  ~cluster() {
    for (auto& [name, one] : servers) stop(name);
  }
  /// As server.cpp does it: what the files say, then what the others agreed on, then the objects.
  server& start(const std::string& name) {
    auto& one = servers[name];
    one.world = on.world;
    one.world.files = &one.files;
    std::optional<encryption> now;
    if (const auto text = one.files.read(config_path); text.ok()) now = *parse_encryption(*text);
    apiserver::keeper_config with;
    with.kind = apiserver::schema::find("", "v1", "secrets");
    with.shared = true;
    with.envelope = envelope_of(now ? &*now : nullptr);
    one.secrets = apiserver::make_kind_keeper(one.world, std::move(with), datastore::writer_actor(shard));
    one.keys = make_key_keeper(one.world, {"/s", *parse_node_name(name), now, seal}, datastore::writer_actor(shard), caf::actor_cast<rewriter_actor>(one.secrets), api);
    REQUIRE(on.ask<bool>(one.keys, learn_keys{}).ok());
    one.heard = std::make_shared<std::vector<apiserver::changes_applied>>();
    REQUIRE(on.ask<model::revision_number>(one.secrets, apiserver::start_keeping{testing::make_listener<apiserver::change_sink_actor, apiserver::changes_applied>(on, one.heard)}).ok());
    caf::anon_send(one.secrets, apiserver::namespaces_changed{std::make_shared<const std::map<std::string, bool, std::less<>>>(std::map<std::string, bool, std::less<>>{{"d", true}})});
    one.runs = true;
    return one;
  }
  void stop(const std::string& name) {
    auto& one = servers[name];
    if (!std::exchange(one.runs, false)) return;
    rt::end(one.keys);
    rt::end(one.secrets);
    on.settle();
  }
  void settle(duration much = 30s) { on.settle(), on.run.run_for(much), on.settle(); }
  auto begin_write(const std::string& at, const std::string& name) {
    auto to = apiserver::route("POST", "/api/v1/namespaces/d/secrets", "");
    const auto body = to_text({{"metadata", {{"name", name}}}, {"stringData", {{"k", "value of " + name}}}});
    written.insert(name);
    return on.begin<apiserver::written>(servers[at].secrets, apiserver::write_object{std::make_shared<const apiserver::target>(std::get<apiserver::target>(to)), body, "application/json", {"admin", {"system:masters"}}});
  }
  void write(const std::string& at, const std::string& name) { begin_write(at, name), settle(1s); }
  result<json> change(const std::string& at, const json& wanted) {
    auto box = on.begin<encryption_told>(servers[at].keys, change_encryption{wanted});
    REQUIRE(on.run.run_until([&] { return box->has_value(); }, 60s));
    if (!(*box)->ok()) return (*box)->why();
    return (**box)->status;
  }
  json status(const std::string& at) { return on.ask<encryption_told>(servers[at].keys, tell_encryption{})->status; }
  /// What lies in the store below a prefix, by key.
  std::map<std::string, std::string> stored(const std::string& prefix = "/registry/secrets/") {
    std::map<std::string, std::string> out;
    auto published = std::make_shared<std::vector<datastore::changes_published>>();
    const auto page = on.ask<storage::page>(shard, datastore::follow_prefix{prefix, testing::make_listener<datastore::follower_actor, datastore::changes_published>(on, published)});
    REQUIRE(page.ok());
    for (const auto& record : page->records) out[record.key] = record.value.str();
    return out;
  }
  std::size_t stored_with(const std::string& prefix) {
    std::size_t n = 0;
    for (const auto& [key, value] : stored()) n += value.starts_with(prefix);
    return n;
  }
  key_record record() {
    const auto all = stored(keys_prefix);
    REQUIRE(all.contains(keys_key));
    const auto plain = net::tls::unseal(seal, all.at(keys_key));
    REQUIRE(plain.ok());
    return *parse_record(*plain);
  }
  /// Empty when every server that runs reads every Secret, and stands as the record says.
  std::string differences() {
    const auto holds = render_encryption(record().keys);
    for (auto& [name, one] : servers) {
      if (!one.runs) continue;
      if (one.files.read(config_path).value_or("") != holds) return name + " holds by other keys";
      if (status(name)["hashmatch"] != true) return name + ": " + to_text(status(name));
      for (const auto& secret : written) {
        const auto found = one.heard->empty() ? nullptr : one.heard->back().all.find("d/" + secret);
        std::string plain;
        if (found) from_base64(text_or(dig(model::parse(*found), "data", "k")), plain);
        if (plain != "value of " + secret) return name + " does not read " + secret;
      }
    }
    return {};
  }
  std::map<std::string, server> servers;   // outlives the actors, which look into it
  std::set<std::string> written, deleted;
  std::shared_ptr<testing::api_script> script = std::make_shared<testing::api_script>();
  stage on;
  std::shared_ptr<storage::memory_disk> disk = std::make_shared<storage::memory_disk>();
  datastore::shard_actor shard;
  client::api_actor api;
};

}  // namespace

TEST_CASE("keys changed at one server are every server's, and every Secret is stored by them") {
  cluster in;
  for (const char* name : {"a", "b", "c"}) in.start(name);
  for (int i = 0; i < 150; ++i) in.begin_write("a", "s" + std::to_string(i));
  in.settle(1s);
  CHECK_FALSE(in.status("a").contains("enable"));
  CHECK_FALSE(in.change("b", rotate).ok());

  const auto enabled = in.change("b", enable);
  REQUIRE(enabled.ok());
  CHECK((*enabled)["enable"] == true);
  CHECK((*enabled)["stage"] == "reencrypt_finished");
  CHECK((*enabled)["hashmatch"] == true);   // whoever looks at another server next finds the same
  CHECK(in.stored_with(cipher + "aescbckey:") == 150);
  in.write("c", "later");
  CHECK(in.stored_with(cipher + "aescbckey:") == 151);
  CHECK(in.differences() == "");

  REQUIRE(in.change("c", rotate).ok());
  const auto key = text_or(in.status("a")["activekey"]);
  CHECK(key.starts_with("aescbckey-2026"));
  CHECK(in.stored_with(cipher + key + ":") == 151);
  CHECK(in.record().keys.keys.size() == 1);
  CHECK(in.differences() == "");
  CHECK(in.servers["b"].files.modes[config_path] == 0600);

  REQUIRE(in.change("a", disable).ok());
  CHECK(in.stored_with(cipher) == 0);
  in.write("b", "plain");
  CHECK(in.stored_with(cipher) == 0);
  REQUIRE(in.change("a", enable).ok());
  CHECK(in.stored_with(cipher + key + ":") == 152);
  CHECK(in.differences() == "");
  // The record is sealed: no key lies in the store.
  for (const auto& [name, value] : in.stored(keys_prefix)) CHECK(value.find("aescbc") == std::string::npos);
}

TEST_CASE("a server that was away learns the keys before it reads its first Secret, and the old key is kept until then") {
  cluster in;
  for (const char* name : {"a", "b", "c"}) in.start(name);
  in.write("a", "one");
  REQUIRE(in.change("a", enable).ok());
  in.stop("c");
  const auto got = in.change("a", rotate);
  REQUIRE(!got.ok());
  CHECK(got.code() == errc::unavailable);
  CHECK(got.why().note.find("nothing is heard of c") != std::string::npos);
  CHECK(in.stored_with(cipher + "aescbckey-2026") == 1);
  CHECK(in.record().keys.keys.size() == 2);
  CHECK(in.status("b")["hasherror"] == "hash does not match between b and c");
  in.write("b", "two");
  in.start("c");
  in.settle(3min);
  CHECK(in.record().keys.keys.size() == 1);
  CHECK(in.record().stage == stage_finished);
  CHECK(in.differences() == "");
}

TEST_CASE("nobody waits for a server whose node was deleted") {
  cluster in;
  for (const char* name : {"a", "b", "c"}) in.start(name);
  in.write("a", "one");
  in.stop("c");
  in.deleted.insert("c");
  in.servers.erase("c");
  REQUIRE(in.change("a", enable).ok());
  CHECK(in.record().stage == stage_finished);
  CHECK(in.stored(keys_servers_prefix).size() == 2);
  CHECK(in.differences() == "");
}

TEST_CASE("a change outlives the server that it was asked of") {
  cluster in;
  for (const char* name : {"a", "b", "c"}) in.start(name);
  for (int i = 0; i < 200; ++i) in.begin_write("a", "s" + std::to_string(i));
  in.settle(1s);
  auto asked = in.on.begin<encryption_told>(in.servers["a"].keys, change_encryption{enable});
  REQUIRE(in.on.run.run_until([&] { return in.servers["b"].files.all.contains(config_path); }, 10s));
  in.stop("a");
  in.settle(2min);
  CHECK(in.record().stage == stage_active);   // a has not said that it writes by the key
  CHECK(in.stored_with(cipher) == 200);
  in.start("a");
  in.settle(2min);
  CHECK(in.record().stage == stage_finished);
  CHECK(in.differences() == "");
}

TEST_CASE("a server that cannot write its keys down reads by them, and is waited for") {
  cluster in;
  for (const char* name : {"a", "b"}) in.start(name);
  in.write("a", "one");
  in.servers["b"].files.full = true;
  const auto got = in.change("a", enable);
  REQUIRE(!got.ok());
  CHECK(got.why().note.find("nothing is heard of b") != std::string::npos);
  in.write("b", "two");
  CHECK(in.stored_with(cipher) == 2);
  in.servers["b"].files.full = false;
  in.settle(2min);
  CHECK(in.record().stage == stage_finished);
  CHECK(in.differences() == "");
}

TEST_CASE("a record under another authority's key is refused by name, and nothing is read or written by it") {
  cluster in;
  in.start("a");
  REQUIRE(in.change("a", enable).ok());
  server other;
  other.world = in.on.world;
  other.world.files = &other.files;
  apiserver::keeper_config with;
  with.kind = apiserver::schema::find("", "v1", "secrets");
  auto secrets = in.on.show(apiserver::make_kind_keeper(other.world, with, datastore::writer_actor(in.shard)));
  auto keys = in.on.show(make_key_keeper(other.world, {"/s", *parse_node_name("x"), std::nullopt, secret_text("another")}, datastore::writer_actor(in.shard), caf::actor_cast<rewriter_actor>(secrets), in.api));
  const auto got = in.on.ask<bool>(keys, learn_keys{});
  REQUIRE(!got.ok());
  CHECK(got.code() == errc::corrupt);
  CHECK(got.why().note.find(keys_key) != std::string::npos);
  CHECK(other.files.all.empty());
}

TEST_CASE("however keys change while servers come, go and run out of room: every Secret is read at all of them") {
  int finished = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    cluster in(seed);
    rng dice(seed * 104729);
    const std::vector<std::string> names{"a", "b", "c"};
    for (const auto& name : names) in.start(name);
    int secrets = 0;
    for (int step = 0; step < 25; ++step) {
      const auto& at = names[dice.below(3)];
      auto& one = in.servers[at];
      if (!one.runs) {
        if (dice.chance(50)) in.start(at);
        continue;
      }
      switch (dice.below(6)) {
        case 0: one.files.full = !one.files.full; break;
        case 1: if (!one.files.full) in.stop(at); break;
        case 2: case 3: in.begin_write(at, "s" + std::to_string(secrets++)); break;
        default: in.on.begin<encryption_told>(one.keys, change_encryption{dice.chance(60) ? rotate : dice.chance(70) ? enable : disable});
      }
      in.on.run.run_for(std::chrono::milliseconds(dice.below(dice.chance(20) ? 40'000 : 150)));
      if (!in.servers[at].runs) in.on.settle();
    }
    for (const auto& name : names) {
      in.servers[name].files.full = false;
      if (!in.servers[name].runs) in.start(name);
    }
    in.settle(6min);
    // A write may have been refused by a server that went; what is in the store counts.
    std::set<std::string> there;
    for (const auto& [key, value] : in.stored()) there.insert(key.substr(key.rfind('/') + 1));
    in.written = there;
    if (!in.stored(keys_prefix).contains(keys_key)) continue;
    CHECK(in.record().finished());
    CHECK(in.differences() == "");
    CHECK(in.record().keys.keys.size() == 1);
    if (in.record().keys.enabled) CHECK(in.stored_with(cipher + in.record().keys.keys.front().name + ":") == there.size());
    else CHECK(in.stored_with(cipher) == 0);
    ++finished;
  }
  CHECK(finished > 20);
}
