// What every engine promises, told once and run over all of them.
#include <doctest/doctest.h>

#include <map>

#include "basis/rng.hpp"
#include "tests/storage/rig.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

// Compiled once more for engines that others write to as well: those name their rigs here. They do not promise what
// is marked `own_only`: an order within and among batches, changes in the answer, retention, counts at once.
#ifdef SHARED_RIGS
namespace troupe::storage::testing {
std::vector<std::function<std::unique_ptr<rig>()>> SHARED_RIGS();
}
static const doctest::skip own_only(true);
#else
#define SHARED_RIGS all_rigs
static const doctest::skip own_only(false);
#endif

namespace {
template <class Case>
void over_all(Case body) {
  for (const auto& make : SHARED_RIGS()) {
    auto on = make();
    INFO("engine: " << on->name());
    body(*on);
  }
}
/// The key and value of revision `at` in the random history.
std::string told(const change& one) {
  std::string out = std::to_string(one.at);
  out.append(one.erased ? " -" : " +").append(one.key).append("=").append(one.value.view());
  out.append(numbered(" created ", one.created)).append(numbered(" previous ", one.previous));
  return out.append(numbered(" version ", one.version));
}
/// What every engine says; etcd leaves out what it would have to look for.
std::string told_by_all(change one) {
  one.previous = 0;
  if (one.erased) one.created = 0;
  return told(one);
}
}  // namespace

TEST_CASE("revisions begin at 1 and grow by one per committed operation, and only then" * own_only) {
  over_all([](rig& on) {
    auto e = on.open();
    CHECK(e->status().head == 0);
    CHECK(e->status().now == standing::leading);
    auto first = commit(on, *e, {create("a", "1"), create("a", "2"), create("b", "3"), erase("c")});
    REQUIRE(first.outcomes.size() == 4);
    CHECK(first.outcomes[0].at == 1);
    CHECK(first.outcomes[1].what == outcome::kind::conflict);
    CHECK(first.outcomes[2].at == 2);
    CHECK(first.outcomes[3].what == outcome::kind::conflict);
    CHECK_FALSE(first.outcomes[3].present.has_value());
    CHECK(first.head == 2);
    REQUIRE(first.changes.size() == 2);
    CHECK(told(first.changes[1]) == "2 +b=3 created 2 previous 0 version 1");
    auto nothing = commit(on, *e, {});
    CHECK(nothing.outcomes.empty());
    CHECK(nothing.head == 2);
    CHECK(e->status().head == 2);
    CHECK(e->status().keys == 2);
  });
}

TEST_CASE("a compare that fails is answered with the record that stands there") {
  over_all([](rig& on) {
    auto e = on.open();
    commit(on, *e, {create("k", "one")});
    commit(on, *e, {update("k", "two", 1)});
    for (auto wrong : {create("k", "x"), update("k", "x", 1), update("k", "x", 0), update("k", "x", 3), erase("k", 1)}) {
      const auto said = commit_one(on, *e, wrong);
      CHECK(said.what == outcome::kind::conflict);
      REQUIRE(said.present.has_value());
      CHECK(said.present->key == "k");
      CHECK(said.present->value.str() == "two");
      CHECK(said.present->created == 1);
      CHECK(said.present->modified == 2);
      CHECK(said.present->version == 2);
    }
    CHECK(commit_one(on, *e, update("absent", "x", 1)).what == outcome::kind::conflict);
    CHECK_FALSE(commit_one(on, *e, update("absent", "x", 1)).present.has_value());
    CHECK(commit_one(on, *e, erase("k", 2)).at == 3);
    const auto late = commit_one(on, *e, erase("k"));
    CHECK(late.what == outcome::kind::conflict);
    CHECK_FALSE(late.present.has_value());
    CHECK(commit_one(on, *e, update("k", "x", 3)).what == outcome::kind::conflict);
    CHECK(commit_one(on, *e, create("k", "again")).at == 4);
    CHECK(testing::told(range(on, *e, {})) == "k=again@4/1 end");
  });
}

TEST_CASE("operations of one batch see one another" * own_only) {
  over_all([](rig& on) {
    auto e = on.open();
    const auto out = commit(on, *e, {create("k", "1"), update("k", "2", 1), update("k", "3", 1), erase("k"), create("k", "4")});
    CHECK(out.outcomes[1].at == 2);
    CHECK(out.outcomes[2].what == outcome::kind::conflict);
    REQUIRE(out.outcomes[2].present.has_value());
    CHECK(out.outcomes[2].present->value.str() == "2");
    CHECK(out.outcomes[3].at == 3);
    CHECK(out.outcomes[4].at == 4);
    REQUIRE(out.changes.size() == 4);
    CHECK(told(out.changes[2]) == "3 -k= created 1 previous 2 version 0");
    CHECK(told(out.changes[3]) == "4 +k=4 created 4 previous 0 version 1");
  });
}

TEST_CASE("keys and values over the limit are refused, those at it are kept") {
  over_all([](rig& on) {
    auto e = on.open();
    const std::string long_key(key_bytes_max, 'k'), long_value(value_bytes_max, 'v');
    CHECK(commit_one(on, *e, create(long_key + "k", "v")).what == outcome::kind::too_large);
    CHECK(commit_one(on, *e, create("k", long_value + "v")).what == outcome::kind::too_large);
    CHECK(commit_one(on, *e, create("", "v")).what == outcome::kind::too_large);
    CHECK(commit_one(on, *e, create(long_key, long_value)).at == 1);
    const std::vector<operation> many(batch_operations_max + 1, erase("x"));
    const auto out = commit(on, *e, many);
    REQUIRE(out.outcomes.size() == many.size());
    CHECK(out.outcomes.back().what == outcome::kind::too_large);
    CHECK_FALSE(out.outcomes.back().note.empty());
    const auto read = range(on, *e, {});
    REQUIRE(read.ok());
    CHECK(read->records.at(0).value.size() == value_bytes_max);
    CHECK(read->records.at(0).key == long_key);
  });
}

TEST_CASE("keys and values are bytes: zeros, high bits and empty values come back") {
  over_all([](rig& on) {
    auto e = on.open();
    const std::string key("a\0b", 3), high("\xff\xfe"), value("\0\xff", 2);
    commit(on, *e, {create(key, value), create(high, ""), create("a", "x")});
    const auto read = range(on, *e, {});
    REQUIRE(read.ok());
    REQUIRE(read->records.size() == 3);
    CHECK(read->records[0].key == "a");
    CHECK(read->records[1].key == key);
    CHECK(read->records[1].value.str() == value);
    CHECK(read->records[2].key == high);
    CHECK(read->records[2].value.empty());
    CHECK(range(on, *e, {high, after_prefix(high), 0, 0})->records.size() == 1);
  });
}

TEST_CASE("a range is in key order, ends before `to`, and says when there is more") {
  over_all([](rig& on) {
    auto e = on.open();
    commit(on, *e, {create("/p/b", "2"), create("/q/a", "4"), create("/p/a", "1"), create("/p/c", "3"), create("/o", "0")});
    commit(on, *e, {erase("/p/b")});
    CHECK(testing::told(range(on, *e, {"/p/", after_prefix("/p/"), 0, 0})) == "/p/a=1@3/1 /p/c=3@4/1 end");
    CHECK(testing::told(range(on, *e, {"/p/", after_prefix("/p/"), 0, 1})) == "/p/a=1@3/1 more");
    CHECK(testing::told(range(on, *e, {"/p/", after_prefix("/p/"), 0, 2})) == "/p/a=1@3/1 /p/c=3@4/1 end");
    CHECK(testing::told(range(on, *e, {"/p/c", {}, 0, 0})) == "/p/c=3@4/1 /q/a=4@2/1 end");
    CHECK(testing::told(range(on, *e, {"/z", {}, 0, 0})) == "end");
    CHECK(testing::told(range(on, *e, {"/p/", after_prefix("/p/"), 5, 2})) == "/p/a=1@3/1 /p/b=2@1/1 more");
    CHECK(range(on, *e, {})->head == 6);
    CHECK(range(on, *e, {{}, {}, 5, 0})->head == 5);
    CHECK(range(on, *e, {{}, {}, 7, 0}).code() == errc::invalid);
    CHECK(range(on, *e, {{}, {}, -1, 0}).ok() == false);
  });
}

TEST_CASE("changes are told once each, in order, and gone below the floor") {
  over_all([](rig& on) {
    auto e = on.open();
    commit(on, *e, {create("a", "1"), create("b", "2")});
    commit(on, *e, {update("a", "3", 1), erase("b"), create("b", "5")});
    std::string all;
    revision after = 0;
    for (;;) {
      const auto some = changes(on, *e, after, 2);
      REQUIRE(some.ok());
      if (some->empty()) break;
      CHECK(some->size() <= 2);
      for (const auto& one : *some) all += told_by_all(one) + "\n";
      after = some->back().at;
    }
    CHECK(all ==
          "1 +a=1 created 1 previous 0 version 1\n2 +b=2 created 2 previous 0 version 1\n"
          "3 +a=3 created 1 previous 0 version 2\n4 -b= created 0 previous 0 version 0\n"
          "5 +b=5 created 5 previous 0 version 1\n");
    CHECK(changes(on, *e, 5)->empty());
    CHECK(changes(on, *e, 6).code() == errc::invalid);
    REQUIRE(compact(on, *e, 3).ok());
    CHECK(changes(on, *e, 2).code() == errc::gone);
    REQUIRE(changes(on, *e, 3).ok());
    CHECK(changes(on, *e, 3)->size() == 2);
  });
}

TEST_CASE("the floor rises, never falls, and what stands at it stays readable") {
  over_all([](rig& on) {
    auto e = on.open();
    commit(on, *e, {create("a", "1"), create("b", "2"), create("c", "3")});
    commit(on, *e, {update("a", "4", 1), erase("b"), update("a", "6", 4)});
    CHECK(compact(on, *e, 7).code() == errc::invalid);
    REQUIRE(compact(on, *e, 5).ok());
    CHECK(e->status().floor == 5);
    REQUIRE(compact(on, *e, 2).ok());
    CHECK(e->status().floor == 5);
    CHECK(range(on, *e, {{}, {}, 4, 0}).code() == errc::gone);
    CHECK(testing::told(range(on, *e, {{}, {}, 5, 0})) == "a=4@4/2 c=3@3/1 end");
    CHECK(testing::told(range(on, *e, {})) == "a=6@6/3 c=3@3/1 end");
    CHECK(commit_one(on, *e, create("b", "7")).at == 7);
    CHECK(testing::told(range(on, *e, {{}, {}, 6, 0})) == "a=6@6/3 c=3@3/1 end");
    CHECK(verify(on, *e).ok());
  });
}

TEST_CASE("too few revisions are never compacted away, and too many dead bytes always are" * own_only) {
  over_all([](rig& on) {
    auto e = on.open({.kept_revisions_min = 10, .dead_bytes_max = 40'000});
    commit_one(on, *e, create("k", std::string(1000, 'x')));
    for (revision at = 1; at < 20; ++at) commit_one(on, *e, update("k", std::string(1000, 'x'), at));
    REQUIRE(compact(on, *e, 20).ok());
    CHECK(e->status().floor == 10);
    for (revision at = 20; at < 200; ++at) commit_one(on, *e, update("k", std::string(1000, 'x'), at));
    CHECK(e->status().floor > 10);
    CHECK(e->status().floor <= 190);
    CHECK(changes(on, *e, 190)->size() == 10);
    CHECK(verify(on, *e).ok());
  });
}

TEST_CASE("many batches in flight finish in the order in which they were committed" * own_only) {
  over_all([](rig& on) {
    auto e = on.open();
    std::vector<int> order;  // Completions run one at a time.
    std::vector<answer<committed_batch>> last(1);
    for (int i = 0; i < 300; ++i) {
      std::vector<operation> batch;
      batch.push_back(create(numbered("k", i), "v"));
      e->commit(std::move(batch), [&order, i, then = i == 299 ? last[0].take() : nullptr](committed_batch out) {
        order.push_back(out.outcomes.at(0).at == i + 1 ? i : -1);
        if (then) then(std::move(out));
      });
    }
    CHECK(last[0].get(on).head == 300);
    REQUIRE(order.size() == 300);
    for (int i = 0; i < 300; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
  });
}

TEST_CASE("a range sees what was committed before it, even while that is in flight" * own_only) {
  over_all([](rig& on) {
    auto e = on.open();
    answer<committed_batch> written;
    answer<result<page>> read;
    std::vector<operation> batch;
    batch.push_back(create("k", "v"));
    e->commit(std::move(batch), written.take());
    e->range({}, read.take());
    CHECK(testing::told(read.get(on)) == "k=v@1/1 end");
  });
}

TEST_CASE("an engine that closes finishes what is in flight" * own_only) {
  over_all([](rig& on) {
    auto e = on.open();
    int finished = 0;
    for (int i = 0; i < 50; ++i) {
      std::vector<operation> batch;
      batch.push_back(create(numbered("k", i), "v"));
      e->commit(std::move(batch), [&finished](committed_batch out) { finished += out.changes.size() == 1; });
    }
    e->range({}, [&finished](result<page> read) { finished += read.ok() && read->records.size() == 50; });
    e.reset();
    on.pump();
    CHECK(finished == 51);
  });
}

TEST_CASE("reopening keeps keys, history, floor and head" * own_only) {
  over_all([](rig& on) {
    auto e = on.open();
    commit(on, *e, {create("a", "1"), create("b", "2")});
    commit(on, *e, {update("a", "3", 1), erase("b")});
    e.reset();
    e = on.open();
    CHECK(e->status().head == 4);
    CHECK(e->status().keys == 1);
    CHECK(testing::told(range(on, *e, {})) == "a=3@3/2 end");
    CHECK(testing::told(range(on, *e, {{}, {}, 2, 0})) == "a=1@1/1 b=2@2/1 end");
    CHECK(changes(on, *e, 0)->size() == 4);
    REQUIRE(compact(on, *e, 4).ok());
    commit(on, *e, {erase("a")});
    REQUIRE(compact(on, *e, 5).ok());
    e.reset();
    e = on.open();
    CHECK(e->status().floor == 5);
    CHECK(e->status().keys == 0);
    CHECK(commit_one(on, *e, create("c", "1")).at == 6);  // Although no row is left that says so.
    CHECK(verify(on, *e).ok());
  });
}

TEST_CASE("a copy holds what was there, and no revision of it is followed or used again" * own_only) {
  over_all([](rig& on) {
    auto e = on.open();
    commit(on, *e, {create("a", "1"), create("b", "2"), erase("b")});
    REQUIRE(backup(on, *e, on.path() + ".copy").ok());
    CHECK(backup(on, *e, on.path() + ".copy").code() == errc::already_exists);
    commit(on, *e, {create("later", "4")});
    auto copy = on.open_copy();
    CHECK(testing::told(range(on, *copy, {})) == "a=1@1/1 end");
    CHECK(copy->status().head == 1'000'003);
    CHECK(changes(on, *copy, 3).code() == errc::gone);
    CHECK(changes(on, *copy, 4).code() == errc::gone);
    CHECK(commit_one(on, *copy, update("a", "5", 1)).at == 1'000'004);
    CHECK(verify(on, *copy).ok());
    copy.reset();
    CHECK(testing::told(range(on, *e, {})) == "a=1@1/1 later=4@4/1 end");
  });
}

TEST_CASE("a random history is what a plain map says it is, at every revision that is kept") {
  over_all([](rig& on) {
    auto e = on.open();
    rng chance(11);
    std::map<std::string, record> now;
    std::vector<std::map<std::string, record>> at_revision(1);
    for (int step = 0; step < 150; ++step) {
      std::vector<operation> batch;
      for (std::uint64_t i = 0; i <= chance.below(6); ++i) {
        const auto key = numbered("key", chance.below(12));
        const auto known = now.find(key);
        const revision present = known == now.end() ? 0 : known->second.modified;
        const revision expected = chance.chance(80) ? present : present + 1;
        const auto value = std::string(chance.below(3000), static_cast<char>('a' + chance.below(26)));
        switch (chance.below(3)) {
          case 0: batch.push_back(create(key, value)); break;
          case 1: batch.push_back(update(key, value, expected)); break;
          default: batch.push_back(erase(key, chance.chance(50) ? 0 : expected));
        }
      }
      const auto asked = batch;
      const auto out = commit(on, *e, std::move(batch));
      REQUIRE(out.outcomes.size() == asked.size());
      for (std::size_t i = 0; i < asked.size(); ++i) {
        const auto known = now.find(asked[i].key);
        const bool live = known != now.end();
        const bool holds = asked[i].what == operation::kind::create   ? !live
                           : asked[i].what == operation::kind::update ? live && known->second.modified == asked[i].expected
                                                                      : live && (asked[i].expected == 0 ||
                                                                                 known->second.modified == asked[i].expected);
        REQUIRE((out.outcomes[i].what == outcome::kind::committed) == holds);
        if (!holds) {
          REQUIRE(out.outcomes[i].present.has_value() == live);
          if (live) REQUIRE(out.outcomes[i].present->value == known->second.value);
          continue;
        }
        const auto at = static_cast<revision>(at_revision.size());
        REQUIRE(out.outcomes[i].at == at);
        if (asked[i].what == operation::kind::erase) now.erase(asked[i].key);
        else now[asked[i].key] = {asked[i].key, asked[i].value, live ? known->second.created : at, at, live ? known->second.version + 1 : 1};
        at_revision.push_back(now);
      }
      if (step == 60) REQUIRE(compact(on, *e, e->status().head / 2).ok());
      if (step == 100) {
        e.reset();
        e = on.open();
      }
    }
    REQUIRE(e->status().head == static_cast<revision>(at_revision.size()) - 1);
    for (revision at = std::max<revision>(1, e->status().floor); at <= e->status().head; ++at) {
      const auto read = range(on, *e, {{}, {}, at, 0});
      REQUIRE(read.ok());
      const auto& expected = at_revision[static_cast<std::size_t>(at)];
      REQUIRE(read->records.size() == expected.size());
      for (const auto& one : read->records) {
        const auto& want = expected.at(one.key);
        REQUIRE(one.value == want.value);
        REQUIRE(one.modified == want.modified);
        REQUIRE(one.created == want.created);
        REQUIRE(one.version == want.version);
      }
    }
    CHECK(verify(on, *e).ok());
  });
}
