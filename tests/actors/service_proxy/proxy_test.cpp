#include "actors/service_proxy/service_proxy.hpp"
#include "actors/service_proxy/table.hpp"
#include "net/sim/node/filter.hpp"
#include "tests/actors/service_proxy/support.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::service_proxy;
using testing::service_json;
using testing::slice_json;

namespace {
struct rig {
  rig() {
    script->on_call = [this](const client::api_call& ask) -> testing::api_script::reply {
      const auto path = ask.path.substr(0, ask.path.find('?'));
      if (path == away) return client::api_answer{503, ""};
      return client::api_answer{200, to_text({{"metadata", {{"resourceVersion", "1"}}}, {"items", lists[path]}})};
    };
    on.world.filter = &kernel;
    auto named = *slice_json({{"10.42.0.2"}});
    named["metadata"]["name"] = "web-1";
    lists["/apis/discovery.k8s.io/v1/endpointslices"] = json::array({named});
    lists["/api/v1/services"] = json::array({service_json()});
  }
  void begin() { proxy = on.show(make_proxy(on.world, {{"n1", "10.42.0.0/16", {}}}, testing::make_fake_api(on, script))); }
  std::string target(const std::string& index = "0") {
    const auto table = kernel.tables().find("troupe");
    if (table == kernel.tables().end()) return "no table";
    const auto found = table->second.find("element address_targets_" + index + " 10.43.0.7 . tcp . 80");
    return found == table->second.end() ? "none" : found->second;
  }
  testing::stage on;
  net::sim::filter_twin kernel;
  std::shared_ptr<testing::api_script> script = std::make_shared<testing::api_script>();
  std::map<std::string, json> lists;
  std::string away;
  proxy_actor proxy;
};
}  // namespace

TEST_CASE("the proxy writes its table once all is known, and what changes in one transaction") {
  rig r;
  r.begin();
  r.on.run.run_for(1s);
  CHECK(r.target() == "10.42.0.2 . 8080");
  CHECK(r.kernel.transactions() == 1);
  auto more = *slice_json({{"10.42.0.2"}, {"10.42.0.3"}});
  more["metadata"]["name"] = "web-1";
  for (const auto& w : r.script->watches)
    if (w.call.path.find("slices") != std::string::npos) rt::post(w.to, client::watch_event{w.watch, "MODIFIED", std::make_shared<const json>(more)});
  r.on.run.run_for(1s);
  CHECK(r.target("1") == "10.42.0.3 . 8080");
  CHECK(r.kernel.transactions() == 2);
}

TEST_CASE("before services and slices are known the table of an earlier life is left alone") {
  rig r;
  r.away = "/apis/discovery.k8s.io/v1/endpointslices";
  r.begin();
  r.on.run.run_for(20s);
  CHECK(r.kernel.transactions() == 0);
  r.away.clear();
  r.on.run.run_for(60s);
  CHECK(r.target() == "10.42.0.2 . 8080");
}

TEST_CASE("a table that somebody flushed is written again, and one that the kernel refuses is tried until it takes it") {
  rig r;
  r.kernel.refuse(3);
  r.begin();
  r.on.run.run_for(20s);
  CHECK(r.target() == "10.42.0.2 . 8080");
  r.kernel.flush();
  r.on.run.run_for(31s);
  CHECK(r.target() == "10.42.0.2 . 8080");
  const auto written = r.kernel.transactions();
  r.on.run.run_for(600s);
  CHECK(r.kernel.transactions() == written);
}

TEST_CASE("the table stays when the proxy ends, and goes when it is removed") {
  rig r;
  r.begin();
  r.on.run.run_for(1s);
  rt::end(r.proxy);
  r.on.run.run_for(1s);
  CHECK(r.target() == "10.42.0.2 . 8080");
  CHECK(remove_table(r.kernel).ok());
  CHECK(r.target() == "no table");
  CHECK(remove_table(r.kernel).ok());
}
