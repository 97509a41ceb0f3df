#include <doctest/doctest.h>

#include "actors/dns/upstream.hpp"
#include "actors/dns/zone.hpp"

using namespace troupe;
using namespace troupe::dns;

namespace {
std::shared_ptr<const json> slice(json endpoints, json ports = json::array({{{"name", "http"}, {"port", 8080}, {"protocol", "TCP"}}})) {
  return std::make_shared<const json>(json{{"endpoints", std::move(endpoints)}, {"ports", std::move(ports)}});
}
const json web{{"spec", {{"clusterIP", "10.43.0.7"}, {"clusterIPs", json::array({"10.43.0.7", "fd00::7"})}, {"ports", json::array({{{"name", "http"}, {"port", 80}, {"protocol", "TCP"}}})}}}};
const json db{{"spec", {{"clusterIP", "None"}, {"ports", json::array({{{"name", "http"}, {"port", 80}, {"protocol", "TCP"}}})}}}};
zone full() {
  zone out("cluster.local", "10.43.0.10");
  out.set_service("d/web", web, {});
  out.set_service("d/db", db, {slice(json::array({{{"addresses", json::array({"10.42.0.5"})}, {"hostname", "db-0"}, {"conditions", {{"ready", true}}}},
                                                  {{"addresses", json::array({"10.42.1.6"})}, {"conditions", {{"ready", true}}}},
                                                  {{"addresses", json::array({"10.42.1.9"})}, {"conditions", {{"ready", false}}}}}))});
  out.set_service("d/out", {{"spec", {{"type", "ExternalName"}, {"externalName", "www.Example.org"}}}}, {});
  out.set_node("n1", {"172.30.0.11"});
  return out;
}
/// "code: data data" of the answers, in hexadecimal where it is no address.
std::string said(const zone& of, const std::string& name, std::uint16_t type = type_a) {
  const auto got = of.find(name, type);
  if (!got.ours) return "elsewhere";
  std::string out = std::to_string(static_cast<int>(got.said.code)) + ":";
  for (const auto& r : got.said.answers) {
    out += " ";
    if (r.type == type_a) for (std::size_t i = 0; i < 4; ++i) out += (i ? "." : "") + std::to_string(static_cast<unsigned char>(r.data[i]));
    else if (r.data == address_data("fd00::7")) out += "fd00::7";
    else for (const char c : r.data) out += c > 31 && c < 127 ? c : '/';
  }
  if (got.said.answers.empty()) out += got.said.authority.empty() ? " bare" : " soa";
  return out;
}
}  // namespace

TEST_CASE("services resolve to their addresses, of each family") {
  const auto z = full();
  CHECK(said(z, "web.d.svc.cluster.local") == "0: 10.43.0.7");
  CHECK(said(z, "web.d.svc.cluster.local", type_aaaa) == "0: fd00::7");
  CHECK(said(z, "web.d.svc.cluster.local", type_mx) == "0: soa");
}

TEST_CASE("headless services resolve to their ready endpoints, and those by their own names") {
  const auto z = full();
  CHECK(said(z, "db.d.svc.cluster.local") == "0: 10.42.0.5 10.42.1.6");
  CHECK(said(z, "db-0.db.d.svc.cluster.local") == "0: 10.42.0.5");
  CHECK(said(z, "10-42-1-6.db.d.svc.cluster.local") == "0: 10.42.1.6");
  CHECK(said(z, "db-1.db.d.svc.cluster.local") == "3: soa");
  CHECK(said(z, "10-42-1-9.db.d.svc.cluster.local") == "3: soa");
  CHECK(said(z, "db-0.db.d.svc.cluster.local", type_aaaa) == "0: soa");
}

TEST_CASE("named ports are SRV records, with the addresses of their targets beside") {
  const auto z = full();
  CHECK(said(z, "_http._tcp.web.d.svc.cluster.local", type_srv) == "0: ///d/P/web/d/svc/cluster/local/");
  CHECK(said(z, "_http._udp.web.d.svc.cluster.local", type_srv) == "3: soa");
  CHECK(said(z, "_x._tcp.web.d.svc.cluster.local", type_srv) == "3: soa");
  CHECK(said(z, "_http._tcp.web.d.svc.cluster.local") == "0: soa");
  const auto got = z.find("_http._tcp.db.d.svc.cluster.local", type_srv);
  REQUIRE(got.said.answers.size() == 2);
  CHECK(got.said.answers[0].data == srv_data(0, 100, 8080, "db-0.db.d.svc.cluster.local"));
  CHECK(got.said.answers[1].data == srv_data(0, 100, 8080, "10-42-1-6.db.d.svc.cluster.local"));
  CHECK(got.said.additional.size() == 2);
}

TEST_CASE("a name elsewhere is an alias that leads outside") {
  const auto got = full().find("out.d.svc.cluster.local", type_a);
  CHECK(got.elsewhere == "www.example.org");
  REQUIRE(got.said.answers.size() == 1);
  CHECK(got.said.answers[0].type == type_cname);
  CHECK(full().find("out.d.svc.cluster.local", type_cname).elsewhere.empty());
}

TEST_CASE("pods resolve by the dashes in their names, addresses resolve backwards") {
  const auto z = full();
  CHECK(said(z, "10-42-0-5.d.pod.cluster.local") == "0: 10.42.0.5");
  CHECK(said(z, "10-42-0.d.pod.cluster.local") == "3: soa");
  CHECK(said(z, "7.0.43.10.in-addr.arpa", type_ptr) == "0: /web/d/svc/cluster/local/");
  CHECK(said(z, "5.0.42.10.in-addr.arpa", type_ptr) == "0: /db-0/db/d/svc/cluster/local/");
  CHECK(said(z, "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", type_ptr) == "0: /web/d/svc/cluster/local/");
  CHECK(said(z, "8.8.8.8.in-addr.arpa", type_ptr) == "elsewhere");
  CHECK(said(z, "x.0.43.10.in-addr.arpa", type_ptr) == "elsewhere");
}

TEST_CASE("the zone has its own records, and no name that is not there") {
  const auto z = full();
  CHECK(said(z, "dns-version.cluster.local", type_txt) == "0: /1.1.0");
  CHECK(said(z, "ns.dns.cluster.local") == "0: 10.43.0.10");
  CHECK(z.find("cluster.local", type_soa).said.answers.size() == 1);
  CHECK(said(z, "cluster.local", type_ns) == "0: /ns/dns/cluster/local/");
  CHECK(said(z, "svc.cluster.local") == "0: soa");
  CHECK(said(z, "d.svc.cluster.local") == "0: soa");
  CHECK(said(z, "e.svc.cluster.local") == "3: soa");
  CHECK(said(z, "web.e.svc.cluster.local") == "3: soa");
  CHECK(said(z, "www.example.org.d.svc.cluster.local") == "3: soa");
  CHECK(said(z, "x.cluster.local") == "3: soa");
  CHECK(said(z, "notcluster.local") == "elsewhere");
  CHECK(said(z, "www.example.org") == "elsewhere");
}

TEST_CASE("nodes resolve by their names, as K3s's NodeHosts") {
  auto z = full();
  CHECK(said(z, "n1") == "0: 172.30.0.11");
  CHECK(said(z, "n1", type_aaaa) == "0: bare");
  z.set_node("n1", {});
  CHECK(said(z, "n1") == "elsewhere");
}

TEST_CASE("what goes takes its names with it") {
  auto z = full();
  for (const char* key : {"d/web", "d/db", "d/out"}) z.set_service(key, json(), {});
  CHECK(said(z, "web.d.svc.cluster.local") == "3: soa");
  CHECK(said(z, "d.svc.cluster.local") == "3: soa");
  CHECK(said(z, "7.0.43.10.in-addr.arpa", type_ptr) == "elsewhere");
  z.set_service("d/web", *parse_json("{\"spec\":[1],\"metadata\":3}"), {std::make_shared<const json>(7)});
  CHECK(said(z, "web.d.svc.cluster.local") == "0: soa");
}

TEST_CASE("servers outside are those of resolv.conf that are not ourselves") {
  const auto names = [](std::string_view text) {
    std::string out;
    for (const auto& e : nameservers_of(text, {"10.43.0.10"})) out += (out.empty() ? "" : " ") + e.host;
    return out;
  };
  CHECK(names("# nameserver 1.1.1.1\nnameserver 9.9.9.9\nsearch x\nnameserver\t8.8.8.8 # two\noptions ndots:5\n") == "9.9.9.9 8.8.8.8");
  CHECK(names("nameserver 10.43.0.10\nnameserver fd00::1\nnameserver nonsense\nnameserverx 1.1.1.1\nnameserver") == "fd00::1");
  CHECK(names("nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4") == "1.0.0.1 1.0.0.2 1.0.0.3");
  CHECK(names("").empty());
}
