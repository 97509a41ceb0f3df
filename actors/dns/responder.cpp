#include "actors/dns/responder.hpp"

#include <algorithm>

namespace troupe::dns {

struct responder::asked {
  std::string packet;
  query what;
  bool by_tcp = false;
  say to;
};

void responder::send(const asked& by, const answer& what) {
  const auto udp = by.what.edns ? std::clamp<std::size_t>(*by.what.edns, plain_bytes_max, udp_bytes_max) : plain_bytes_max;
  by.to(write_answer(by.what, by.packet, what, by.by_tcp ? tcp_bytes_max : udp));
}

void responder::hear(std::string_view packet, bool by_tcp, say to) {
  ++counted_.questions;
  const auto read = read_query(packet);
  if (!read.ok()) {
    if (auto no = write_error(packet, rcode::format_error); !no.empty()) to(std::move(no));
    return;
  }
  auto by = std::make_shared<asked>(asked{std::string(packet), *read, by_tcp, std::move(to)});
  const auto refuse = [&](rcode code) {
    answer no;
    no.code = code;
    send(*by, no);
  };
  if (read->opcode != 0) return refuse(rcode::not_implemented);
  if (read->of_class != class_in) return refuse(rcode::refused);
  auto found = zone_.find(read->name, read->type);
  if (found.ours) {
    if (found.said.code == rcode::no_such_name && !complete_) return refuse(rcode::server_failure);
    if (!found.elsewhere.empty()) return ask_outside(by, found.elsewhere, std::move(found.said));
    return send(*by, found.said);
  }
  if (read->name.empty()) return refuse(rcode::refused);   // the root itself: no pod needs it
  ask_outside(by, read->name, {});
}

// `so_far` is what the answer begins with: the name that leads outside.
void responder::ask_outside(std::shared_ptr<asked> by, const std::string& name, answer so_far) {
  if (auto kept = cache_.find(name, by->what.type, shard_.now())) {
    ++counted_.cached;
    kept->answers.insert(kept->answers.begin(), so_far.answers.begin(), so_far.answers.end());
    return send(*by, *kept);
  }
  ++counted_.outside;
  outside_->ask(name, by->what.type, by->by_tcp, [this, alive = std::weak_ptr(alive_), by, so_far](result<reply> got) {
    if (alive.expired()) return;
    answer out;
    if (!got.ok()) {
      ++counted_.failed;
      out.code = rcode::server_failure;
      return send(*by, out);
    }
    cache_.put(*got, shard_.now());
    out = so_far;
    out.authoritative = false;
    out.code = got->code;
    out.cut = got->cut;
    out.answers.insert(out.answers.end(), got->answers.begin(), got->answers.end());
    out.authority = got->authority;
    send(*by, out);
  });
}

}  // namespace troupe::dns
