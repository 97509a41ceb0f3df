#include "actors/dns/dns.hpp"
#include "actors/dns/framing.hpp"
#include "actors/dns/message.hpp"
#include "net/sim/node/datagrams.hpp"
#include "net/sim/network.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::dns;

namespace {

/// A node with its DNS, an API that knows one Service, two servers outside, and a pod.
struct rig {
  explicit rig(std::string resolv = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n") {
    REQUIRE(box.disk().write("/etc/resolv.conf", resolv, 0644).ok());
    on.world.files = &box.disk();
    on.world.dialer = &box.dials();
    on.world.acceptor = &box.accepts();
    on.world.datagrams = &udp;
    script->on_call = [this](const client::api_call& ask) -> testing::api_script::reply {
      const auto path = ask.path.substr(0, ask.path.find('?'));
      if (path == away) return client::api_answer{503, ""};
      json items = json::array();
      if (path == "/api/v1/services")
        items = json::array({{{"metadata", {{"name", "web"}, {"namespace", "d"}}}, {"spec", {{"clusterIP", "10.43.0.7"}}}},
                             {{"metadata", {{"name", "out"}, {"namespace", "d"}}}, {"spec", {{"type", "ExternalName"}, {"externalName", "www.example.org"}}}}});
      if (path == "/api/v1/nodes") items = json::array({{{"metadata", {{"name", "n1"}}}, {"status", {{"addresses", json::array({{{"type", "InternalIP"}, {"address", "172.30.0.11"}}})}}}}});
      return client::api_answer{200, to_text({{"metadata", {{"resourceVersion", "1"}}}, {"items", items}})};
    };
    for (const char* host : {"192.0.2.1", "192.0.2.2"})
      outside.push_back(*udp.open({host, 53}, [this, host](const endpoint& from, std::string_view data) { answer_outside(host, from, data); }));
    pod = *udp.open({"10.42.0.5", 4000}, [this](const endpoint&, std::string_view data) { heard.emplace_back(data); });
  }
  // What it listens with is the network's, which goes before the stage.
  ~rig() {
    if (dns) rt::end(dns);
    on.run.run_for(1s);
  }
  void begin() {
    dns_config with;
    with.listen = at;
    with.own_addresses = {"172.30.0.11"};
    dns = make_dns(on.world, with, testing::make_fake_api(on, script));
    on.run.run_for(1s);
  }
  void answer_outside(const std::string& host, const endpoint& from, std::string_view data) {
    asked.push_back(host);
    const auto q = read_query(data);
    REQUIRE(q.ok());
    answer said;
    said.code = failing == host ? rcode::server_failure : rcode::ok;
    if (said.code == rcode::ok) said.answers.push_back({q->name, type_a, 20, address_data("203.0.113.9")});
    auto text = write_answer(*q, data, said, 1232);
    if (forge) {
      auto wrong = text;
      wrong[0] = static_cast<char>(wrong[0] + 1);
      outside[host == "192.0.2.1" ? 0 : 1]->send(from, wrong);
      pod->send(from, text);   // from another address than the one that was asked
      if (forge == 2) return;
    }
    outside[host == "192.0.2.1" ? 0 : 1]->send(from, text);
  }
  /// "code address", or "silence".
  std::string ask(const std::string& name, duration patience = 10s) {
    heard.clear();
    pod->send(at, write_query(9, name, type_a));
    on.run.run_until([&] { return !heard.empty(); }, patience);
    if (heard.empty()) return "silence";
    const auto got = read_reply(heard.front());
    if (!got.ok()) return "nonsense";
    auto out = std::to_string(static_cast<int>(got->code));
    for (const auto& r : got->answers) out += r.data == address_data("203.0.113.9") ? " outside" : r.data == address_data("10.43.0.7") ? " web" : r.type == type_cname ? " alias" : " other";
    return out;
  }

  testing::stage on;
  std::unique_ptr<net::sim::network> net = net::sim::make_network(on.run.plan(), rng(1), *parse_rfc3339("2026-11-22T07:00:00Z"));
  net::sim::computer& box = net->add("n1", {"172.30.0.11"});
  net::sim::datagrams_twin udp{on.shard, "172.30.0.11"};
  std::shared_ptr<testing::api_script> script = std::make_shared<testing::api_script>();
  std::vector<std::unique_ptr<net::datagram_socket>> outside;
  std::unique_ptr<net::datagram_socket> pod;
  std::vector<std::string> asked, heard;
  std::string away, failing;
  dns_actor dns;
  int forge = 0;
  const endpoint at{"172.30.0.11", 10053};
};

}  // namespace

TEST_CASE("pods learn the cluster's names, and names outside once for thirty seconds") {
  rig r;
  r.begin();
  CHECK(r.ask("web.d.svc.cluster.local") == "0 web");
  CHECK(r.ask("none.d.svc.cluster.local") == "3");
  CHECK(r.asked.empty());
  CHECK(r.ask("www.example.org") == "0 outside");
  CHECK(r.ask("www.example.org") == "0 outside");
  CHECK(r.asked.size() == 1);
  r.on.run.run_for(21s);
  CHECK(r.ask("www.example.org") == "0 outside");
  CHECK(r.asked.size() == 2);
}

TEST_CASE("a service that is a name elsewhere is answered with what that name is") {
  rig r;
  r.begin();
  CHECK(r.ask("out.d.svc.cluster.local") == "0 alias outside");
}

TEST_CASE("a silent or failing server is passed over, and when all are the answer says so") {
  rig r;
  r.begin();
  r.udp.lose({"192.0.2.1", 53}, 1);
  CHECK(r.ask("a.example") == "0 outside");
  r.failing = "192.0.2.1";
  CHECK(r.ask("b.example") == "0 outside");
  r.failing = "none";
  r.udp.lose({"192.0.2.1", 53}, 9);
  r.udp.lose({"192.0.2.2", 53}, 9);
  CHECK(r.ask("c.example") == "2");
  CHECK(r.udp.sockets() == 4);
}

TEST_CASE("an answer with a wrong id or from somebody else is not heard") {
  rig r;
  r.begin();
  r.forge = 1;
  CHECK(r.ask("a.example") == "0 outside");
  r.forge = 2;
  CHECK(r.ask("b.example") == "2");
}

TEST_CASE("many who ask the same are one question outside") {
  rig r;
  r.begin();
  for (int i = 0; i < 50; ++i) r.pod->send(r.at, write_query(static_cast<std::uint16_t>(i), "a.example", type_a));
  r.on.run.run_until([&] { return r.heard.size() == 50; }, 10s);
  CHECK(r.heard.size() == 50);
  CHECK(r.asked.size() == 1);
}

TEST_CASE("a server outside that asks us back does not make a circle of more and more questions") {
  rig r("nameserver 192.0.2.3\n");
  int turns = 0;
  std::unique_ptr<net::datagram_socket> circle;
  circle = *r.udp.open({"192.0.2.3", 53}, [&](const endpoint&, std::string_view data) {
    ++turns;
    circle->send(r.at, data);   // not a guest, and its question is ours
  });
  r.begin();
  CHECK(r.ask("a.example") == "2");
  CHECK(turns == 3);
}

TEST_CASE("strangers are not answered, nor packets that are answers") {
  rig r;
  r.begin();
  std::vector<std::string> got;
  const auto stranger = *r.udp.open({"198.51.100.1", 4000}, [&](const endpoint&, std::string_view data) { got.emplace_back(data); });
  stranger->send(r.at, write_query(9, "web.d.svc.cluster.local", type_a));
  auto said = write_query(9, "web.d.svc.cluster.local", type_a);
  said[2] = static_cast<char>(0x80);
  r.pod->send(r.at, said);
  r.pod->send(r.at, "x");
  r.on.run.run_for(5s);
  CHECK(got.empty());
  CHECK(r.heard.empty());
}

TEST_CASE("before the cluster is known a name of it is not denied") {
  rig r;
  r.away = "/api/v1/services";
  r.begin();
  CHECK(r.ask("web.d.svc.cluster.local") == "2");
  r.away.clear();
  r.on.run.run_for(60s);
  CHECK(r.ask("web.d.svc.cluster.local") == "0 web");
}

TEST_CASE("without servers outside names there fail at once, and a resolv.conf that changes is followed") {
  rig r("nameserver 10.43.0.10\n");
  r.begin();
  CHECK(r.ask("a.example", 1s) == "2");
  REQUIRE(r.box.disk().write("/etc/resolv.conf", "nameserver 192.0.2.2\n", 0644).ok());
  r.on.run.run_for(31s);
  CHECK(r.ask("a.example") == "0 outside");
}

TEST_CASE("a port that is taken is tried again, and the same is answered by TCP") {
  rig r;
  auto taken = *r.udp.open(r.at, [](const endpoint&, std::string_view) {});
  r.begin();
  CHECK(r.ask("web.d.svc.cluster.local", 1s) == "silence");
  taken.reset();
  r.on.run.run_for(6s);
  CHECK(r.ask("web.d.svc.cluster.local") == "0 web");

  struct : net::stream_sink {
    void on_data(std::string_view data) override { frames.take(data, [&](std::string_view m) { return got.emplace_back(m), true; }); }
    void on_closed(const error&) override { over = true; }
    unframer frames;
    std::vector<std::string> got;
    bool over = false;
  } sink;
  net::stream_ptr stream;
  r.box.dials().dial({"172.30.0.11", 10053}, 5s, [&](result<net::stream_ptr> got) { stream = std::move(*got); });
  REQUIRE(r.on.run.run_until([&] { return stream != nullptr; }, 5s));
  stream->start(&sink);
  stream->write(framed(write_query(5, "web.d.svc.cluster.local", type_a)) + framed(write_query(6, "n1", type_a)));
  REQUIRE(r.on.run.run_until([&] { return sink.got.size() == 2; }, 5s));
  CHECK(read_reply(sink.got[0])->answers.size() == 1);
  CHECK(read_reply(sink.got[1])->answers[0].data == address_data("172.30.0.11"));
  // Who says nothing more is let go.
  CHECK(r.on.run.run_until([&] { return sink.over; }, 60s));
}
