// What a history of concurrent clients looks like on any engine: judged as a whole.
#include <map>

#include "basis/rng.hpp"
#include "tests/harness/linearizable.hpp"
#include "tests/storage/rig.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

// As in contract_test.cpp: compiled once more for engines elsewhere.
#ifdef SHARED_RIGS
namespace troupe::storage::testing {
std::vector<std::function<std::unique_ptr<rig>()>> SHARED_RIGS();
}
#else
#define SHARED_RIGS all_rigs
#endif

TEST_CASE("clients that compare and swap the same keys at once see one order of writes") {
  using harness = troupe::testing::history_entry;
  for (const auto& make : SHARED_RIGS()) {
    const auto held = make();
    rig& on = *held;
    INFO("engine: " << on.name());
    auto e = on.open();
    constexpr int clients = 8, rounds = 120;
    std::vector<harness> history;
    std::mutex guard;
    std::int64_t clock = 0;
    const auto tick = [&] {
      const std::lock_guard hold(guard);
      return ++clock;
    };
    rng chance(17);
    std::map<std::string, revision> seen;  // What the clients believe, mostly true.
    for (int round = 0; round < rounds; ++round) {
      std::vector<answer<committed_batch>> writes(clients);
      std::vector<answer<result<page>>> reads(clients);
      std::vector<harness> asked(clients);
      std::vector<std::int64_t> ends(clients);
      for (std::size_t c = 0; c < clients; ++c) {  // All are in flight before the first is waited for.
        auto& one = asked[c];
        one.client = std::to_string(c);
        one.key = numbered("key", chance.below(2));
        one.what = static_cast<harness::kind>(chance.below(4));
        one.expected = seen[one.key];
        if (one.what == harness::kind::update && one.expected == 0) one.what = harness::kind::create;
        if (one.what == harness::kind::create) one.expected = 0;
        one.start = tick();
        if (one.what == harness::kind::read) {
          one.expected = 0;
          e->range({one.key, after_prefix(one.key), 0, 0}, [&, c, then = reads[c].take()](result<page> got) {
            ends[c] = tick();
            then(std::move(got));
          });
          continue;
        }
        std::vector<operation> batch;
        if (one.what != harness::kind::erase) one.value = numbered("v", round * clients + static_cast<int>(c));
        batch.push_back(one.what == harness::kind::create   ? create(one.key, one.value)
                        : one.what == harness::kind::update ? update(one.key, one.value, one.expected)
                                                            : erase(one.key, one.expected));
        batch[0].relaxed = chance.chance(50);
        e->commit(std::move(batch), [&, c, then = writes[c].take()](committed_batch out) {
          ends[c] = tick();
          then(std::move(out));
        });
      }
      for (std::size_t c = 0; c < clients; ++c) {
        auto& one = asked[c];
        one.outcome = harness::said::committed;
        if (one.what == harness::kind::read) {
          const auto got = reads[c].get(on);
          REQUIRE(got.ok());
          if (!got->records.empty()) one.revision = got->records[0].modified, one.value = got->records[0].value.str();
        } else {
          const auto said = writes[c].get(on).outcomes.at(0);
          REQUIRE((said.what == outcome::kind::committed || said.what == outcome::kind::conflict));
          one.revision = said.at;
          if (said.what == outcome::kind::conflict) {
            one.outcome = harness::said::conflict;
            one.revision = said.present ? said.present->modified : 0;
            one.value = said.present ? said.present->value.str() : "";
          }
        }
        one.end = ends[c];
        if (one.outcome == harness::said::committed && one.what != harness::kind::read)
          seen[one.key] = one.what == harness::kind::erase ? 0 : one.revision;
        history.push_back(one);
      }
    }
    const auto wrong = troupe::testing::violations(history);
    INFO((wrong.empty() ? std::string() : wrong.front()));
    CHECK(wrong.empty());
    CHECK(history.size() == clients * rounds);
  }
}
