#include "actors/dns/message.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <map>

namespace troupe::dns {
namespace {

constexpr std::size_t name_bytes_max = 255, label_bytes_max = 63;
constexpr std::size_t records_max = 512;       // in one packet; more is nonsense
constexpr std::uint16_t bit_answer = 0x8000, bit_authoritative = 0x0400, bit_cut = 0x0200, bit_recursion = 0x0100, bit_recursive = 0x0080;

error bad(const char* what) { return fail(errc::invalid, what); }

std::uint16_t u16(std::string_view from, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(from[at]) << 8 | static_cast<unsigned char>(from[at + 1]));
}
std::uint32_t u32(std::string_view from, std::size_t at) { return static_cast<std::uint32_t>(u16(from, at)) << 16 | u16(from, at + 2); }
void put16(std::string& to, std::size_t value) {
  to.push_back(static_cast<char>(value >> 8 & 255));
  to.push_back(static_cast<char>(value & 255));
}
void put32(std::string& to, std::uint32_t value) { put16(to, value >> 16), put16(to, value & 0xffff); }
void set16(std::string& in, std::size_t at, std::size_t value) {
  in[at] = static_cast<char>(value >> 8 & 255);
  in[at + 1] = static_cast<char>(value & 255);
}

/// Reads a name at `at`, following pointers, which must lead backwards, so that they end. `at` goes behind it.
bool read_name(std::string_view packet, std::size_t& at, std::string& out) {
  std::size_t here = at, bytes = 1, bound = at;
  bool jumped = false;
  out.clear();
  for (;;) {
    if (here >= packet.size()) return false;
    const auto size = static_cast<unsigned char>(packet[here]);
    if ((size & 0xc0) == 0xc0) {
      if (here + 1 >= packet.size()) return false;
      const std::size_t to = u16(packet, here) & 0x3fff;
      if (!jumped) at = here + 2;
      if (to >= bound || to < header_bytes) return false;
      jumped = true;
      bound = here = to;
      continue;
    }
    if (size > label_bytes_max) return false;
    ++here;
    if (size == 0) break;
    bytes += size + 1u;
    if (bytes > name_bytes_max || here + size > packet.size()) return false;
    if (!out.empty()) out.push_back('.');
    for (std::size_t i = 0; i < size; ++i) {
      const char c = packet[here + i];
      if (c == '.' || c == '\\') out += c == '.' ? "\\046" : "\\092";
      else out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    }
    here += size;
  }
  if (!jumped) at = here;
  return true;
}

/// The labels of a name, unescaped; false for a name that no wire carries.
bool labels_of(std::string_view name, std::vector<std::string>& out) {
  std::size_t bytes = 1;
  if (name.ends_with('.')) name.remove_suffix(1);
  while (!name.empty()) {
    const auto end = std::min(name.find('.'), name.size());
    std::string label;
    for (std::size_t i = 0; i < end; ++i) {
      const bool escaped = name[i] == '\\' && (name.substr(i, 4) == "\\046" || name.substr(i, 4) == "\\092") && i + 4 <= end;
      label.push_back(escaped ? (name[i + 2] == '4' ? '.' : '\\') : name[i]);
      if (escaped) i += 3;
    }
    bytes += label.size() + 1;
    if (label.empty() || label.size() > label_bytes_max || bytes > name_bytes_max) return false;
    out.push_back(std::move(label));
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return true;
}

/// Writes names, pointing at what was written before.
class writer {
 public:
  explicit writer(std::string& out) : out_(out) {}
  bool put_name(const std::string& name) {
    std::vector<std::string> labels;
    if (!labels_of(name, labels)) return false;
    std::string_view rest = name;
    for (const auto& label : labels) {
      if (const auto known = places_.find(std::string(rest)); known != places_.end()) return put16(out_, 0xc000 | known->second), true;
      if (out_.size() < 0x3fff) places_.emplace(rest, out_.size());
      out_.push_back(static_cast<char>(label.size()));
      out_ += label;
      rest.remove_prefix(std::min(std::min(rest.find('.'), rest.size()) + 1, rest.size()));
    }
    out_.push_back('\0');
    return true;
  }
  /// The asker's question stands behind the header.
  void know(const std::string& name, std::size_t at) { if (!name.empty()) places_.emplace(name, at); }
  /// Puts the record, or nothing and false when it is no record or does not fit.
  bool put(const record& one, std::size_t bytes_max) {
    const auto before = out_.size();
    const auto known = places_;
    if (one.data.empty() || !put_name(one.name)) return out_.resize(before), false;
    put16(out_, one.type), put16(out_, class_in), put32(out_, one.ttl), put16(out_, one.data.size());
    out_ += one.data;
    if (out_.size() <= bytes_max) return true;
    out_.resize(before);
    places_ = known;
    return false;
  }

 private:
  std::string& out_;
  std::map<std::string, std::size_t> places_;
};

/// A record's data with the names in it written out.
bool whole_data(std::string_view packet, std::size_t at, std::size_t size, std::uint16_t type, std::string& out) {
  const std::size_t fixed = type == type_mx ? 2 : type == type_srv ? 6 : 0;
  const int names = type == type_soa ? 2 : type == type_cname || type == type_ns || type == type_ptr || type == type_mx || type == type_srv ? 1 : 0;
  if (names == 0) return out = packet.substr(at, size), true;
  const auto end = at + size;
  if (fixed > size) return false;
  out = packet.substr(at, fixed);
  at += fixed;
  for (int i = 0; i < names; ++i) {
    std::string name;
    if (!read_name(packet, at, name) || at > end) return false;
    out += name.empty() ? std::string(1, '\0') : name_data(name);
  }
  out += packet.substr(at, end - at);
  return true;
}

struct raw_record {
  record what;
  std::size_t ttl_at = 0, data_at = 0;
};
bool read_record(std::string_view packet, std::size_t& at, raw_record& out) {
  if (!read_name(packet, at, out.what.name) || at + 10 > packet.size()) return false;
  out.what.type = u16(packet, at);
  out.ttl_at = at + 4;
  out.what.ttl = u32(packet, at + 4);
  const std::size_t size = u16(packet, at + 8);
  at += 10;
  out.data_at = at;
  if (at + size > packet.size() || !whole_data(packet, at, size, out.what.type, out.what.data)) return false;
  at += size;
  return true;
}

}  // namespace

result<query> read_query(std::string_view packet) {
  if (packet.size() < header_bytes) return bad("shorter than a header");
  const auto flags = u16(packet, 2);
  if (flags & bit_answer) return bad("an answer");
  query out;
  out.id = u16(packet, 0);
  out.recursion = (flags & bit_recursion) != 0;
  out.opcode = static_cast<std::uint8_t>(flags >> 11 & 15);
  if (u16(packet, 4) != 1 || u16(packet, 6) != 0 || u16(packet, 8) != 0) return bad("not one question");
  std::size_t at = header_bytes;
  if (!read_name(packet, at, out.name) || at + 4 > packet.size()) return bad("a question that is cut");
  out.type = u16(packet, at);
  out.of_class = u16(packet, at + 2);
  out.question_end = at += 4;
  const std::size_t more = u16(packet, 10);
  if (more > records_max) return bad("too many records");
  for (std::size_t i = 0; i < more; ++i) {
    raw_record extra;
    if (!read_record(packet, at, extra)) return bad("a record that is cut");
    if (extra.what.type != type_opt) continue;
    if (out.edns) return bad("two OPT records");
    out.edns = u16(packet, extra.ttl_at - 2);
    out.edns_version = static_cast<std::uint8_t>(extra.what.ttl >> 16 & 255);
  }
  return out;
}

std::string address_data(std::string_view address) {
  const std::string text(address);
  char raw[16];
  if (inet_pton(AF_INET, text.c_str(), raw) == 1) return {raw, 4};
  if (inet_pton(AF_INET6, text.c_str(), raw) == 1) return {raw, 16};
  return {};
}
std::string name_data(std::string_view name) {
  std::vector<std::string> labels;
  std::string out;
  if (!labels_of(name, labels) || labels.empty()) return out;
  for (const auto& label : labels) out.append(1, static_cast<char>(label.size())).append(label);
  return out.append(1, '\0');
}
std::string srv_data(std::uint16_t priority, std::uint16_t weight, std::uint16_t port, std::string_view target) {
  std::string out;
  put16(out, priority), put16(out, weight), put16(out, port);
  const auto to = name_data(target);
  return to.empty() ? to : out + to;
}
std::string txt_data(std::string_view text) {
  text = text.substr(0, 255);
  return std::string(1, static_cast<char>(text.size())).append(text);
}
std::string soa_data(std::string_view server, std::string_view mailbox, std::uint32_t serial, std::uint32_t negative_ttl) {
  auto out = name_data(server) + name_data(mailbox);
  put32(out, serial), put32(out, 7200), put32(out, 1800), put32(out, 86400), put32(out, negative_ttl);
  return out;
}

std::string write_answer(const query& asked, std::string_view packet, const answer& what, std::size_t bytes_max) {
  constexpr std::size_t opt_bytes = 11;
  std::string out(packet.substr(0, asked.question_end));
  const auto room = bytes_max - (asked.edns ? opt_bytes : 0);
  writer to(out);
  to.know(asked.name, header_bytes);
  std::size_t counts[3] = {0, 0, 0};
  bool cut = false;
  const auto put_all = [&](const std::vector<record>& some, std::size_t& count) {
    for (const auto& one : some) {
      if (one.data.empty()) continue;
      if (!to.put(one, room)) return false;
      ++count;
    }
    return true;
  };
  cut = !put_all(what.answers, counts[0]) || what.cut;
  if (!cut) cut = !put_all(what.authority, counts[1]);
  if (!cut) (void)put_all(what.additional, counts[2]);
  if (asked.edns) {
    out.push_back('\0');
    put16(out, type_opt), put16(out, udp_bytes_max), put32(out, 0), put16(out, 0);
    ++counts[2];
  }
  const auto flags = bit_answer | (asked.opcode << 11) | (what.authoritative ? bit_authoritative : 0) | (cut ? bit_cut : 0) |
                     (asked.recursion ? bit_recursion : 0) | bit_recursive | static_cast<unsigned>(what.code);
  set16(out, 2, static_cast<std::size_t>(flags));
  set16(out, 4, 1), set16(out, 6, counts[0]), set16(out, 8, counts[1]), set16(out, 10, counts[2]);
  return out;
}

std::string write_error(std::string_view packet, rcode code) {
  if (packet.size() < header_bytes || (u16(packet, 2) & bit_answer)) return {};
  std::string out(packet.substr(0, header_bytes));
  set16(out, 2, bit_answer | (u16(packet, 2) & 0x7900) | bit_recursive | static_cast<unsigned>(code));
  for (const std::size_t count : {4, 6, 8, 10}) set16(out, count, 0);
  return out;
}

result<reply> read_reply(std::string_view packet) {
  if (packet.size() < header_bytes) return bad("shorter than a header");
  const auto flags = u16(packet, 2);
  if (!(flags & bit_answer)) return bad("no answer");
  reply out;
  out.id = u16(packet, 0);
  out.code = static_cast<rcode>(flags & 15);
  out.cut = (flags & bit_cut) != 0;
  if (u16(packet, 4) != 1) return bad("not one question");
  std::size_t at = header_bytes;
  if (!read_name(packet, at, out.name) || at + 4 > packet.size()) return bad("a question that is cut");
  out.type = u16(packet, at);
  out.of_class = u16(packet, at + 2);
  at += 4;
  const std::size_t answers = u16(packet, 6), authority = u16(packet, 8), all = answers + authority + u16(packet, 10);
  if (all > records_max) return bad("too many records");
  out.ttl_least = 0xffffffff;
  bool lasting = false;
  for (std::size_t i = 0; i < all; ++i) {
    raw_record one;
    if (!read_record(packet, at, one)) {
      if (out.cut) break;   // some cut in the middle of a record
      return bad("a record that is cut");
    }
    if (one.what.type == type_opt) continue;
    lasting = true;
    out.ttl_least = std::min(out.ttl_least, one.what.ttl);
    const bool bounds = one.what.type == type_soa && i >= answers && i < answers + authority && one.what.data.size() >= 4;
    if (bounds) out.ttl_least = std::min(out.ttl_least, u32(one.what.data, one.what.data.size() - 4));
    if (i < answers) out.answers.push_back(std::move(one.what));
    else if (i < answers + authority) out.authority.push_back(std::move(one.what));
  }
  if (!lasting) out.ttl_least = 0;
  return out;
}

std::string write_query(std::uint16_t id, const std::string& name, std::uint16_t type) {
  std::string out;
  put16(out, id), put16(out, bit_recursion), put16(out, 1), put32(out, 0), put16(out, 1);
  if (!writer(out).put_name(name)) return {};
  put16(out, type), put16(out, class_in);
  out.push_back('\0');
  put16(out, type_opt), put16(out, udp_bytes_max), put32(out, 0), put16(out, 0);
  return out;
}

}  // namespace troupe::dns
