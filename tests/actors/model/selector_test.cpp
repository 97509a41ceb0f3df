#include "actors/model/selector.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::model;

namespace {
document_ptr pod(const std::string& labels, const std::string& rest = "") {
  return *make_document(*schema::find("", "v1", "pods"),
                        R"({"metadata":{"labels":{)" + labels + R"(},"name":"p1","namespace":"default"})" + rest + "}", 1, 2);
}
bool matches(std::string_view text, const document& item) {
  auto selector = parse_label_selector(text);
  REQUIRE_MESSAGE(selector.ok(), text);
  return selector->matches(item);
}
}  // namespace

TEST_CASE("label selectors match as Kubernetes' do") {
  auto item = pod(R"("app":"web","tier":"","n":"5","in":"x")");
  for (auto yes : {"", "app=web", "app==web", "app in (web)", "app in (a, web ,b)", "app", "!none", "app!=db",
                   "none!=x", "none notin (a,b)", "app notin (a)", "tier=", "tier", "tier in (,x)", "n>4", "n<6",
                   "app=web,n>4, tier", "in=x", " app = web ", "in in (x)", "app in (web,)"})
    CHECK_MESSAGE(matches(yes, *item), yes);
  for (auto no : {"app=db", "app!=web", "!app", "none", "app in (a,b)", "app notin (web)", "n>5", "n<5", "app>1",
                  "tier=x", "none=", "app=web,none", "none>1"})
    CHECK_MESSAGE(!matches(no, *item), no);
}

TEST_CASE("broken label selectors are refused in upstream's words") {
  struct row { const char *text, *words; } rows[] = {
      {"a=b,", "found '', expected: identifier after ','"},
      {"=b", "found '=', expected: !, identifier, or 'end of string'"},
      {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
      {"a in b", "unable to parse requirement: found 'b' expected: '('"},
      {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
      {"a in ()", "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set "
                  "can't be empty"},
      {"a=b c", "found 'c', expected: ',' or 'end of string'"},
      {"!a=b", "found '=', expected: ',' or 'end of string'"},
      {"a==(b)", "unable to parse requirement: found '(', expected: identifier"},
      {"a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must "
              "be an integer"},
      {"/x=1", "unable to parse requirement: key: Invalid value: \"/x\": prefix part must be non-empty"},
      {"x/=1", "unable to parse requirement: key: Invalid value: \"x/\": name part must be non-empty"}};
  for (const auto& row : rows) {
    auto selector = parse_label_selector(row.text);
    REQUIRE_MESSAGE(!selector.ok(), row.text);
    CHECK(selector.why().note == row.words);
  }
  CHECK(!parse_label_selector(std::string(64, 'a') + "=b").ok());
  CHECK(!parse_label_selector("a=" + std::string(64, 'b')).ok());
  CHECK(parse_label_selector("a=" + std::string(63, 'b')).ok());
  CHECK(!parse_label_selector("a=-b").ok());
  CHECK(!parse_label_selector(std::string(selector_bytes_max + 1, 'a')).ok());
  std::string many = "a0";
  for (std::size_t i = 0; i <= selector_terms_max; ++i) many += ",a" + std::to_string(i);
  CHECK(!parse_label_selector(many).ok());
}

TEST_CASE("field selectors match the values a kind offers, and refuse the others") {
  const auto& pods = *schema::find("", "v1", "pods");
  auto item = pod("", R"(,"spec":{"nodeName":"n1"},"status":{"phase":"Running"})");
  auto check = [&](std::string_view text) {
    auto selector = parse_field_selector(pods, text);
    REQUIRE_MESSAGE(selector.ok(), text);
    return selector->matches(*item);
  };
  for (auto yes : {"", "metadata.name=p1", "metadata.namespace==default", "spec.nodeName=n1,status.phase!=Failed",
                   "status.podIP=", "spec.hostNetwork=false", "spec.nodeName!=", ",metadata.name=p1,"})
    CHECK_MESSAGE(check(yes), yes);
  for (auto no : {"metadata.name=p2", "status.phase!=Running", "spec.nodeName=", "metadata.name=p1,status.phase=Failed"})
    CHECK_MESSAGE(!check(no), no);
  CHECK(parse_field_selector(pods, "spec.x=1").why().note == "field label not supported: spec.x");
  CHECK(parse_field_selector(*schema::find("", "v1", "configmaps"), "data.a=1").why().note ==
        "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
  CHECK(parse_field_selector(pods, "metadata.name").why().note ==
        "invalid selector: 'metadata.name'; can't understand 'metadata.name'");
  CHECK(!parse_field_selector(pods, "metadata.name=a=b").ok());
  CHECK(!parse_field_selector(pods, "metadata.name=a\\x").ok());
  CHECK(!parse_field_selector(pods, "metadata.name=a\\").ok());
  CHECK(parse_field_selector(pods, "metadata.name=a\\,b\\=c\\\\")->terms[0].value == "a,b=c\\");
  auto named = parse_field_selector(pods, "metadata.name=p1,spec.nodeName=n1");
  CHECK(named->required_name() == "p1");
  CHECK(named->required("spec.nodeName") == "n1");
  CHECK(named->required("status.phase").data() == nullptr);
}

TEST_CASE("field selectors of events.k8s.io match what is stored as v1") {
  const auto& served = *schema::find("events.k8s.io", "v1", "events");
  auto item = make_document(served, R"({"metadata":{"name":"e","namespace":"d"},"involvedObject":{"name":"p1"}})", 1, 2);
  CHECK(parse_field_selector(served, "regarding.name=p1")->matches(**item));
  CHECK(!parse_field_selector(served, "regarding.name=p2")->matches(**item));
  CHECK(!parse_field_selector(served, "involvedObject.name=p1").ok());
}
