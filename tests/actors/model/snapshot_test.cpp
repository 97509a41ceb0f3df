#include "actors/model/snapshot.hpp"

#include <doctest/doctest.h>

#include <map>

#include "basis/rng.hpp"

using namespace troupe;
using namespace troupe::model;

namespace {
document_ptr item(const std::string& name, revision_number at) {
  return *make_document(*schema::find("", "v1", "configmaps"),
                        R"({"metadata":{"name":")" + name + R"(","namespace":"d"}})", 1, at);
}

}  // namespace

TEST_CASE("a snapshot behaves as an ordered map, and older ones stay as they were") {
  rng dice(17);
  snapshot now;
  std::map<std::string, revision_number> model;
  std::vector<std::pair<snapshot, std::map<std::string, revision_number>>> kept;
  for (revision_number at = 1; at <= 3000; ++at) {
    auto name = std::string("k").append(std::to_string(dice.below(400)));
    auto key = std::string("d/").append(name);
    if (dice.below(3) == 0) {
      now = now.erase(key);
      model.erase(key);
    } else {
      now = now.insert(item(name, at));
      model[key] = at;
    }
    CHECK(now.size() == model.size());
    if (at % 300 == 0) kept.emplace_back(now, model);
  }
  for (const auto& [old, expected] : kept) {
    auto next = expected.begin();
    std::size_t rank = 0;
    old.each({}, [&](const document_ptr& each) {
      CHECK(each->key() == next->first);
      CHECK(each->modified() == next->second);
      CHECK(old.rank(next->first) == rank++);
      CHECK(old.find(next->first) == each);
      ++next;
      return true;
    });
    CHECK(next == expected.end());
    auto from = expected.lower_bound("d/k2");
    old.each("d/k2", [&](const document_ptr& each) {
      CHECK(each->key() == from->first);
      ++from;
      return true;
    });
    CHECK(from == expected.end());
  }
}

TEST_CASE("a visit ends when the visitor says so, and an absent key changes nothing") {
  snapshot now;
  CHECK(now.empty());
  CHECK(now.find("d/a") == nullptr);
  CHECK(now.erase("d/a").size() == 0);
  for (int i = 0; i < 100; ++i) now = now.insert(item(std::string("k").append(std::to_string(i)), 1));
  int seen = 0;
  now.each({}, [&](const document_ptr&) { return ++seen < 10; });
  CHECK(seen == 10);
  CHECK(now.erase("d/none").size() == 100);
}
