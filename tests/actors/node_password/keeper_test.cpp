#include "actors/node_password/keeper.hpp"
#include "actors/node_password/record.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::node_password;
using testing::stage;

namespace {
/// Hashes for free, and counts.
class cheap_hasher_state {
 public:
  static constexpr const char* name = "cheap_hasher";
  explicit cheap_hasher_state(rt::self<hasher_actor>) {}
  void init(int* count) { count_ = count; }
  hasher_actor::behavior_type make_behavior() {
    return {[this](make_hash& ask) { return ++*count_, "hash of " + std::string(ask.password.reveal()); },
            [this](check_hash& ask) { return ++*count_, ask.stored == "hash of " + std::string(ask.password.reveal()); }};
  }

 private:
  int* count_ = nullptr;
};

/// An API that keeps Secrets, behind a keeper.
struct rig {
  explicit rig(keeper_config config = {}, std::uint64_t seed = 1) : on(seed) {
    script->on_call = [this](const client::api_call& call) { return answer(call); };
    api = testing::make_fake_api(on, script);
    keeper = on.show(make_keeper(on.world, config, client::api_actor(api),
                                 on.show(rt::spawn<hasher_actor, cheap_hasher_state>(on.world, "", &hashes))));
  }
  testing::api_script::reply answer(const client::api_call& call) {
    if (lost_before > 0) return --lost_before, fail(errc::unavailable, "nobody there");
    if (call.method == "POST") {
      const auto name = text_or(dig(*parse_json(call.body), "metadata", "name"));
      const bool fresh = secrets.emplace(name, call.body).second;
      if (lost_after > 0) return --lost_after, fail(errc::outcome_unknown, "cut off");
      return client::api_answer{fresh ? 201 : 409, fresh ? call.body : "{}"};
    }
    const auto name = call.path.substr(call.path.rfind('/') + 1);
    const auto found = secrets.find(name);
    if (found == secrets.end()) return client::api_answer{404, "{}"};
    const auto body = found->second;
    if (call.method == "DELETE") secrets.erase(found);
    return client::api_answer{200, body};
  }
  result<verdict> verify(const std::string& node, const std::string& password) {
    return on.ask<verdict>(keeper, verify_password{{node}, secret_text(password)});
  }
  std::map<std::string, std::string> secrets;
  int hashes = 0, lost_before = 0, lost_after = 0;
  std::shared_ptr<testing::api_script> script = std::make_shared<testing::api_script>();
  stage on;
  testing::fake_api_actor api;
  keeper_actor keeper;
};
}  // namespace

TEST_CASE("the first password of a node is enrolled, the same confirmed, another refused") {
  rig r;
  CHECK(*r.verify("n1", "one") == verdict::enrolled);
  REQUIRE(r.secrets.contains("n1.node-password.k3s"));
  CHECK(*read_hash(r.secrets["n1.node-password.k3s"]) == "hash of one");
  CHECK(*r.verify("n1", "one") == verdict::confirmed);
  CHECK(*r.verify("n1", "two") == verdict::refused);
  CHECK(*r.verify("n2", "two") == verdict::enrolled);
  CHECK(*r.verify("n1", "one") == verdict::confirmed);
  for (const auto& call : r.script->calls) CHECK(call.user == "system:k3s-supervisor");
}

TEST_CASE("a password that was confirmed costs no hash again; one that is refused does") {
  rig r;
  CHECK(*r.verify("n1", "one") == verdict::enrolled);
  const int after = r.hashes;
  for (int i = 0; i < 5; ++i) CHECK(*r.verify("n1", "one") == verdict::confirmed);
  CHECK(r.hashes == after);
  CHECK(*r.verify("n1", "two") == verdict::refused);
  CHECK(r.hashes == after + 1);
}

TEST_CASE("a verdict that was kept does not outlive the Secret it was about") {
  rig r;
  CHECK(*r.verify("n1", "one") == verdict::enrolled);
  r.secrets["n1.node-password.k3s"] = secret_body({"n1"}, "hash of two");
  CHECK(*r.verify("n1", "one") == verdict::refused);
  CHECK(*r.verify("n1", "two") == verdict::confirmed);
}

TEST_CASE("a forgotten node's name is free for another password") {
  rig r;
  CHECK(*r.verify("n1", "one") == verdict::enrolled);
  CHECK(*r.on.ask<bool>(r.keeper, forget_node{{"n1"}}));
  CHECK(!*r.on.ask<bool>(r.keeper, forget_node{{"n1"}}));
  CHECK(*r.verify("n1", "two") == verdict::enrolled);
  CHECK(*r.verify("n1", "one") == verdict::refused);
}

TEST_CASE("an answer that was lost is repeated without harm") {
  rig r;
  r.lost_after = 1;   // the Secret is made, and nobody is told
  const auto first = r.verify("n1", "one");
  REQUIRE(!first.ok());
  CHECK(first.code() == errc::outcome_unknown);
  CHECK(*r.verify("n1", "one") == verdict::confirmed);
  CHECK(r.secrets.size() == 1);

  r.lost_before = 1;
  const auto second = r.verify("n2", "one");
  REQUIRE(!second.ok());
  CHECK(second.code() == errc::unavailable);
  CHECK(*r.verify("n2", "one") == verdict::enrolled);
}

TEST_CASE("of two that race for one name exactly one wins, on every schedule") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    rig r({}, seed);
    auto a = r.on.begin<verdict>(r.keeper, verify_password{{"n1"}, secret_text("one")});
    auto b = r.on.begin<verdict>(r.keeper, verify_password{{"n1"}, secret_text("two")});
    auto c = r.on.begin<verdict>(r.keeper, verify_password{{"n1"}, secret_text("one")});
    r.on.run.run_for(1s);
    std::map<verdict, int> count;
    for (const auto& box : {a, b, c}) ++count[(*box)->value()];
    CHECK(count[verdict::enrolled] == 1);
    const bool two_won = (*b)->value() == verdict::enrolled;
    CHECK(count[verdict::refused] == (two_won ? 2 : 1));
    CHECK((*a)->value() != (two_won ? verdict::confirmed : verdict::refused));
  }
}

TEST_CASE("a Secret that cannot be read, and a server in trouble, admit nobody") {
  rig r;
  r.secrets["n1.node-password.k3s"] = "{\"data\":{}}";
  CHECK(*r.verify("n1", "one") == verdict::refused);
  r.script->on_call = [](const client::api_call&) { return client::api_answer{500, "{}"}; };
  CHECK(r.verify("n2", "one").code() == errc::unavailable);
  r.script->on_call = [](const client::api_call& call) { return client::api_answer{call.method == "GET" ? 404 : 503, "{}"}; };
  CHECK(r.verify("n2", "one").code() == errc::unavailable);
  // A Secret that is there and is not there, for ever: somebody has to give up.
  r.script->on_call = [](const client::api_call& call) { return client::api_answer{call.method == "GET" ? 404 : 409, "{}"}; };
  CHECK(r.verify("n2", "one").code() == errc::unavailable);
}

TEST_CASE("more registrations at once than the limit are told to come back, and room is made again") {
  keeper_config config;
  config.waiting_max = 2;
  rig r(config);
  auto real = r.script->on_call;
  r.script->on_call = [](const client::api_call&) { return testing::api_script::reply(); };
  auto a = r.on.begin<verdict>(r.keeper, verify_password{{"a"}, secret_text("x")});
  auto b = r.on.begin<verdict>(r.keeper, verify_password{{"b"}, secret_text("x")});
  r.on.settle();
  CHECK(r.verify("c", "x").code() == errc::overloaded);
  r.script->on_call = real;
  rt::post(r.api, testing::release_held{});
  r.on.settle();
  CHECK((*a)->value() == verdict::enrolled);
  CHECK((*b)->value() == verdict::enrolled);
  CHECK(*r.verify("c", "x") == verdict::enrolled);
}

TEST_CASE("the real hash confirms its own password and no other") {
  stage on;
  auto script = std::make_shared<testing::api_script>();
  auto hasher = on.show(make_hasher(on.world));
  const auto hash = on.ask<std::string>(hasher, make_hash{secret_text("one")});
  REQUIRE(hash.ok());
  CHECK(hash->starts_with("$1:"));
  CHECK(*on.ask<bool>(hasher, check_hash{secret_text("one"), *hash}));
  CHECK(!*on.ask<bool>(hasher, check_hash{secret_text("two"), *hash}));
  CHECK(!*on.ask<bool>(hasher, check_hash{secret_text("one"), "nonsense"}));
}
