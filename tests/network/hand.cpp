// What tests and benchmarks of the node's network move the kernel with: reads one JSON order per line, answers each with one
// line of JSON, {"ok":true,...} or {"ok":false,"why":...}. It works on the network namespace it was started in.
//
//   {"do":"node","name":"n1","cidr":"10.42.0.0/16"}              a new table for that node
//   {"do":"serve","key":"d/web","service":{...},"slices":[...]}   the Service asks for this now; without a service it is gone
//   {"do":"whole"}, {"do":"changes"}                              writes; answers how long and how much
//   {"do":"there"}                                                 is the table the one that was written?
//   {"do":"remove"}                                                takes it away
//   {"do":"flannel","backend":"vxlan","node":"n1","address":"172.30.0.11","peers":[{node}, ...]}   the overlay, for these Nodes
#include <chrono>
#include <iostream>
#include <optional>

#include "actors/flannel/settle.hpp"
#include "actors/service_proxy/service_proxy.hpp"
#include "actors/service_proxy/table.hpp"
#include "net/filter/real.hpp"
#include "net/link/real.hpp"

namespace {
using namespace troupe;

class hand {
 public:
  json obey(const json& order) {
    const auto what = text_or(dig(order, "do"));
    if (what == "node") return rules_.emplace(service_proxy::node_facts{text_or(order.at("name")), text_or(order.at("cidr")), {}}), good();
    if (what == "serve") return serve(order);
    if (what == "whole") return write(rules_->whole(++mark_));
    if (what == "changes") return write(rules_->changes());
    if (what == "there") {
      const auto got = filter_->has_element(service_proxy::table::name, service_proxy::table::mark_set, service_proxy::table::mark_text(mark_));
      return got.ok() ? json{{"ok", true}, {"there", *got}} : bad(got.why());
    }
    if (what == "flannel") return lead(order);
    if (what == "remove") return told(service_proxy::remove_table(*filter_));
    return bad({errc::invalid, "no such order"});
  }

 private:
  static json good() { return {{"ok", true}}; }
  static json bad(const error& why) { return {{"ok", false}, {"why", why.text()}}; }
  static json told(const result<void>& done) { return done.ok() ? good() : bad(done.why()); }

  json serve(const json& order) {
    service_proxy::slice_list slices;
    for (const auto& s : dig(order, "slices")) slices.push_back(std::make_shared<const json>(s));
    const auto& service = dig(order, "service");
    rules_->set(text_or(order.at("key")), service.is_null() ? service_proxy::served{} : service_proxy::serve(service, slices, rules_->node()));
    return good();
  }

  json lead(const json& order) {
    std::map<std::string, flannel::peer> peers;
    for (const auto& n : dig(order, "peers")) peers[text_or(dig(n, "metadata", "name"))] = flannel::peer_of(n);
    const auto with = *flannel::parse_backend(text_or(order.at("backend")));
    const auto mtu = flannel::settle(*links_, {with, text_or(order.at("node")), text_or(order.at("address")), ""}, peers);
    return mtu.ok() ? json{{"ok", true}, {"mtu", *mtu}, {"mac", flannel::mac_for(text_or(order.at("node")))}} : bad(mtu.why());
  }

  json write(const std::string& text) {
    const auto from = std::chrono::steady_clock::now();
    auto done = filter_->apply(text);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - from;
    if (!done.ok()) return bad(done.why());
    const auto lost = rules_->take_lost_udp(), found = rules_->take_found_udp();
    if (!lost.empty() || !found.empty()) done = filter_->forget_udp({lost.begin(), lost.end()}, {found.begin(), found.end()});
    if (!done.ok()) return bad(done.why());
    return {{"ok", true}, {"ms", took.count()}, {"bytes", text.size()}};
  }

  std::unique_ptr<net::packet_filter> filter_ = net::real::make_packet_filter();
  std::unique_ptr<net::link_table> links_ = net::real::make_link_table();
  std::optional<service_proxy::table> rules_;
  std::uint32_t mark_ = 0;
};

}  // namespace

int main() {
  hand one;
  for (std::string line; std::getline(std::cin, line);) {
    const auto order = parse_json(line);
    std::cout << to_text(order.ok() ? one.obey(*order) : json{{"ok", false}, {"why", order.why().text()}}) << std::endl;
  }
}
