// What a volume's plan keeps of the files that it has written.
#include <doctest/doctest.h>

#include "actors/kubelet/volumes/orders.hpp"

using namespace troupe;
using namespace troupe::kubelet;

namespace {
std::vector<volume_plan> plan(const std::string& token) {
  volume_plan one;
  one.what = volume_plan::kind::files;
  one.name = "access", one.path = "/pods/u/volumes/kubernetes.io~projected/access";
  one.files = {{"token", token, 0644}, {"namespace", "default", 0644}};
  return {one};
}
const json owned{{"spec", {{"securityContext", {{"fsGroup", 2000}}}}}};
}  // namespace

TEST_CASE("once written, nothing of a file's data is left in its plan") {
  auto written = plan("a-very-secret-token");
  forget_data(written);
  for (const auto& file : written.front().files) {
    CHECK(file.data.find("secret") == std::string::npos);
    CHECK(file.data.find("default") == std::string::npos);
  }
  CHECK(written.front().files.front().path == "token");
}

TEST_CASE("files whose data was forgotten are still told from others") {
  auto before = plan("one"), same = plan("one"), other = plan("two");
  for (auto* each : {&before, &same, &other}) forget_data(*each);
  CHECK(volume_orders(same, before, owned, "").empty());          // nothing changed: nothing is given away again
  CHECK(volume_orders(other, before, owned, "").size() == 3);     // chgrp, chmod, find
}
