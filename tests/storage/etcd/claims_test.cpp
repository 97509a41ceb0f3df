// What an operation takes and gives back with its own key, on every engine that others write to as well.
#include "tests/storage/rig.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

namespace troupe::storage::testing {
std::vector<std::function<std::unique_ptr<rig>()>> SHARED_RIGS();
}

namespace {
operation with(operation what, std::vector<std::string> take, std::vector<std::string> release = {}) {
  what.with = std::make_shared<const claims>(claims{std::move(take), std::move(release), bytes(what.key)});
  return what;
}
outcome one(rig& on, engine& e, operation what) {
  std::vector<operation> batch;
  batch.push_back(std::move(what));
  return commit(on, e, std::move(batch)).outcomes.at(0);
}
const std::string a = "/registry/services/specs/d/a", b = "/registry/services/specs/d/b", x = "/registry/claims/addresses/x",
                  y = "/registry/claims/ports/y", z = "/registry/claims/ports/z";

/// What stands at a key; empty when it is absent.
std::string at(rig& on, engine& e, const std::string& key) {
  answer<result<page>> out;
  e.range({key, key + '\0', 0, 0}, out.take());
  const auto got = out.get(on);
  REQUIRE(got.ok());
  return got->records.empty() ? "" : got->records[0].value.str();
}
}  // namespace

TEST_CASE("what an operation claims comes with it or not at all, and goes with it") {
  using kind = outcome::kind;
  for (const auto& make : SHARED_RIGS()) {
    const auto held = make();
    rig& on = *held;
    INFO("engine: " << on.name());
    const auto e = on.open();
    const auto first = one(on, *e, with(create(a, "1"), {x, y}));
    REQUIRE(first.what == kind::committed);
    CHECK(at(on, *e, x) == a);
    CHECK(at(on, *e, y) == a);

    const auto late = one(on, *e, with(create(b, "1"), {z, y}));
    CHECK(late.what == kind::claimed);
    CHECK(late.note == y);
    CHECK(at(on, *e, b).empty());
    CHECK(at(on, *e, z).empty());
    // Its own key decides first: a conflict is a conflict, whatever is claimed.
    CHECK(one(on, *e, with(create(a, "2"), {x})).what == kind::conflict);
    CHECK(one(on, *e, with(update(a, "2", first.at + 1000), {z}, {x})).what == kind::conflict);
    CHECK(at(on, *e, x) == a);

    const auto moved = one(on, *e, with(update(a, "2", first.at), {z}, {y, "/registry/claims/ports/never"}));
    REQUIRE(moved.what == kind::committed);
    CHECK(at(on, *e, y).empty());
    CHECK(at(on, *e, z) == a);
    CHECK(one(on, *e, with(create(b, "1"), {y})).what == kind::committed);
    CHECK(one(on, *e, with(update(a, "3", moved.at), {y}, {z})).what == kind::claimed);
    CHECK(at(on, *e, z) == a);
    CHECK(at(on, *e, a) == "2");

    CHECK(one(on, *e, with(erase(a, moved.at), {}, {x, z})).what == kind::committed);
    for (const auto& key : {a, x, z}) CHECK(at(on, *e, key).empty());
    CHECK(at(on, *e, y) == b);
  }
}

TEST_CASE("more claims than an operation may have are refused, as many as it may are taken") {
  for (const auto& make : SHARED_RIGS()) {
    const auto held = make();
    rig& on = *held;
    INFO("engine: " << on.name());
    const auto e = on.open();
    std::vector<std::string> many;
    for (std::size_t i = 0; i < claims_max; ++i) many.push_back(numbered("/registry/claims/ports/", static_cast<int>(i)));
    const auto first = one(on, *e, with(create(a, "1"), many));
    REQUIRE(first.what == outcome::kind::committed);
    CHECK(at(on, *e, many.back()) == a);
    CHECK(one(on, *e, with(erase(a, first.at), {}, many)).what == outcome::kind::committed);
    CHECK(at(on, *e, many.back()).empty());
    many.push_back("/registry/claims/ports/more");
    CHECK(one(on, *e, with(create(a, "1"), many)).what == outcome::kind::too_large);
    CHECK(at(on, *e, a).empty());
  }
}

TEST_CASE("of many who claim one key at once, one has it") {
  for (const auto& make : SHARED_RIGS()) {
    const auto held = make();
    rig& on = *held;
    INFO("engine: " << on.name());
    const auto e = on.open();
    std::vector<answer<committed_batch>> answers(32);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      std::vector<operation> batch;
      batch.push_back(with(create(numbered("/registry/services/specs/d/", static_cast<int>(i)), "1"), {x}));
      e->commit(std::move(batch), answers[i].take());
    }
    int done = 0;
    for (auto& each : answers) {
      const auto said = each.get(on).outcomes.at(0);
      done += said.what == outcome::kind::committed;
      CHECK((said.what == outcome::kind::committed || said.what == outcome::kind::claimed));
    }
    CHECK(done == 1);
  }
}
