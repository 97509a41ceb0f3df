#include "actors/model/match.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using model::label_match;

namespace {
json read(std::string_view text) { return *parse_json(text); }
}  // namespace

TEST_CASE("a LabelSelector means what upstream's means") {
  const auto labels = read(R"({"app":"web","tier":"front"})");
  struct row { const char* selector; bool matches; const char* text; } rows[] = {
      {"{}", true, ""}, {"null", false, ""}, {R"({"matchLabels":{"app":"web"}})", true, "app=web"},
      {R"({"matchLabels":{"app":"web","tier":"back"}})", false, "app=web,tier=back"},
      {R"({"matchExpressions":[{"key":"tier","operator":"In","values":["front","back"]}]})", true, "tier in (back,front)"},
      {R"({"matchExpressions":[{"key":"tier","operator":"NotIn","values":["front"]}]})", false, "tier notin (front)"},
      {R"({"matchExpressions":[{"key":"zone","operator":"NotIn","values":["a"]}]})", true, "zone notin (a)"},
      {R"({"matchExpressions":[{"key":"app","operator":"Exists"},{"key":"zone","operator":"DoesNotExist"}]})", true, "app,!zone"},
      {R"({"matchExpressions":[{"key":"app","operator":"Like","values":["w"]}]})", false, "app=w"}};
  for (const auto& row : rows) {
    const auto match = label_match::of(read(row.selector));
    CHECK_MESSAGE(match.matches(labels) == row.matches, row.selector);
    CHECK(match.text() == row.text);
  }
  CHECK(label_match::of_map(read(R"({"app":"web"})")).matches(labels));
  CHECK_FALSE(label_match::of_map(json::object()).matches(labels));
}

TEST_CASE("a malformed LabelSelector is told with its place") {
  std::string where;
  CHECK(model::label_match_problem(read(R"({"matchLabels":{"a":"b"}})"), where).empty());
  CHECK(model::label_match_problem(read(R"({"matchExpressions":[{"key":"a","operator":"Like"}]})"), where) == "not a valid selector operator");
  CHECK(where == "matchExpressions[0].operator");
  CHECK(model::label_match_problem(read(R"({"matchExpressions":[{"key":"a","operator":"In"}]})"), where) ==
        "must be specified when `operator` is 'In' or 'NotIn'");
  CHECK(model::label_match_problem(read(R"({"matchExpressions":[{"key":"a","operator":"Exists","values":["x"]}]})"), where) ==
        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  CHECK_FALSE(model::label_match_problem(read(R"({"matchLabels":{"a b":"c"}})"), where).empty());
}
