#include "actors/model/quantity.hpp"

#include <doctest/doctest.h>

using namespace troupe::model;

TEST_CASE("quantities are written in Kubernetes' canonical form") {
  struct row { const char *given, *canonical; } rows[] = {
      {"0", "0"}, {"1000m", "1"}, {"1024Mi", "1Gi"}, {"1500m", "1500m"}, {"0.5", "500m"}, {"1.5Gi", "1536Mi"},
      {"1000", "1k"}, {"1000000", "1M"}, {"128974848", "128974848"}, {"129e6", "129e6"}, {"129M", "129M"},
      {"123Mi", "123Mi"}, {"512Ki", "512Ki"}, {"1023", "1023"}, {"1E", "1E"}, {"1e3", "1e3"}, {"100u", "100u"},
      {"1n", "1n"}, {"0.1n", "1n"}, {"-5m", "-5m"}, {"+3", "3"}, {".5", "500m"}, {"5.", "5"}, {"0Mi", "0"},
      {"0.5Ki", "512"}, {"1.25", "1250m"}, {"99999999999999999999999", "9223372036854775807"}, {"1E3", "1e3"},
      {"100m", "100m"}, {"2048Ki", "2Mi"}, {"1000Ki", "1000Ki"}, {"2Ei", "2Ei"}};
  for (const auto& row : rows) {
    auto out = canonical_quantity(row.given);
    REQUIRE_MESSAGE(out.ok(), row.given);
    CHECK_MESSAGE(*out == row.canonical, row.given);
    CHECK(*canonical_quantity(*out) == *out);
  }
}

TEST_CASE("what is no quantity is refused with the reason") {
  for (auto text : {"", "abc", "1x", "--1", "1 ", " 1", "1Kii", "e3", ".", "-", "1e", "1e99999", "1\n", "Ki", "1.2.3"})
    CHECK_MESSAGE(!canonical_quantity(text).ok(), text);
  CHECK(canonical_quantity("1 Gi").why().note.starts_with("quantities must match the regular expression"));
  CHECK(canonical_quantity("1gm").why().note.find("quantit") != std::string::npos);
}

TEST_CASE("quantities compare by value, whatever their suffix") {
  CHECK(*compare_quantities("1Gi", "1024Mi") == std::strong_ordering::equal);
  CHECK(*compare_quantities("999m", "1") == std::strong_ordering::less);
  CHECK(*compare_quantities("1G", "1Gi") == std::strong_ordering::less);
  CHECK(*quantity_milli("1.5") == 1500);
  CHECK(*quantity_milli("1n") == 1);
  CHECK(*quantity_milli("2Gi") == 2147483648000);
}
