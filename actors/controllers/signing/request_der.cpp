#include "actors/controllers/signing/request_der.hpp"

#include <arpa/inet.h>

#include "basis/bytes.hpp"

namespace troupe::controllers {
namespace {

enum tag : std::uint8_t { object_id = 0x06, octets = 0x04, sequence = 0x30, set = 0x31, attributes = 0xa0 };
constexpr std::string_view id_common_name("\x55\x04\x03", 3), id_organization("\x55\x04\x0a", 3), id_other_names("\x55\x1d\x11", 3);
constexpr std::string_view id_extensions("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e", 9);
constexpr std::size_t request_bytes_max = 64 * 1024;

struct element {
  std::uint8_t kind = 0;
  std::string_view body;
};

/// Takes elements off the front; after something that is no DER, `good` is false and nothing more comes.
class reader {
 public:
  explicit reader(std::string_view of) : left_(of) {}
  bool good = true;
  bool done() const { return left_.empty() || !good; }
  element next() {
    if (left_.size() < 2) return bad();
    element out{static_cast<std::uint8_t>(left_[0]), {}};
    std::size_t size = static_cast<unsigned char>(left_[1]), head = 2;
    if (size >= 0x80) {
      const auto count = size & 0x7f;
      if (count == 0 || count > 3 || left_.size() < 2 + count) return bad();
      size = 0;
      for (std::size_t i = 0; i < count; ++i) size = size << 8 | static_cast<unsigned char>(left_[2 + i]);
      head += count;
    }
    if (left_.size() < head + size) return bad();
    out.body = left_.substr(head, size);
    left_.remove_prefix(head + size);
    return out;
  }
  /// The next one, if it is of that kind; else it is no request.
  std::string_view expect(std::uint8_t kind) {
    const auto one = next();
    if (one.kind != kind) good = false;
    return good ? one.body : std::string_view();
  }

 private:
  element bad() {
    good = false;
    left_ = {};
    return {};
  }
  std::string_view left_;
};

bool read_subject(std::string_view name, asked_names& out) {
  reader parts(name);
  while (!parts.done()) {
    reader each(parts.expect(set));
    while (!each.done()) {
      reader pair(each.expect(sequence));
      const auto id = pair.expect(object_id);
      const auto value = pair.next();
      if (!pair.good) return false;
      if (id == id_common_name) out.common_name = std::string(value.body);
      if (id == id_organization) out.organizations.emplace_back(value.body);
    }
    if (!each.good) return false;
  }
  return parts.good;
}

bool read_other_names(std::string_view body, asked_names& out) {
  reader whole(body);
  reader names(whole.expect(sequence));
  while (!names.done()) {
    const auto one = names.next();
    char text[INET6_ADDRSTRLEN] = {};
    const bool four = one.body.size() == 4;
    if (one.kind == 0x82) out.dns_names.emplace_back(one.body);
    else if (one.kind == 0x87 && (four || one.body.size() == 16) && ::inet_ntop(four ? AF_INET : AF_INET6, one.body.data(), text, sizeof text)) out.addresses.emplace_back(text);
    else out.others = true;
  }
  return whole.good && names.good;
}

bool read_extensions(std::string_view body, asked_names& out) {
  reader values(body);
  reader list(values.expect(sequence));
  while (!list.done()) {
    reader one(list.expect(sequence));
    const auto id = one.expect(object_id);
    auto value = one.next();
    if (value.kind == 0x01) value = one.next();   // whether it is critical
    if (!one.good || value.kind != octets) return false;
    if (id == id_other_names && !read_other_names(value.body, out)) return false;
  }
  return values.good && list.good;
}

}  // namespace

result<asked_names> read_names(std::string_view der) {
  const auto no = [] { return fail(errc::invalid, "it is no PKCS#10 request"); };
  if (der.size() > request_bytes_max) return no();
  asked_names out;
  reader file(der);
  reader whole(file.expect(sequence));
  reader info(whole.expect(sequence));
  info.next();                                    // version
  const auto subject = info.expect(sequence);
  info.next();                                    // public key
  if (!file.good || !whole.good || !info.good || !read_subject(subject, out)) return no();
  if (info.done()) return out;
  reader list(info.expect(attributes));
  while (!list.done()) {
    reader one(list.expect(sequence));
    const auto id = one.expect(object_id);
    const auto values = one.expect(set);
    if (!one.good || (id == id_extensions && !read_extensions(values, out))) return no();
  }
  if (!info.good || !list.good) return no();
  return out;
}

result<std::string> request_in(const std::string& pem) {
  for (const char* kind : {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}) {
    const auto begin = std::string("-----BEGIN ") + kind + "-----", end = std::string("-----END ") + kind + "-----";
    const auto from = pem.find(begin), to = pem.find(end);
    if (from == std::string::npos || to == std::string::npos || to < from) continue;
    std::string packed, out;
    for (const char c : pem.substr(from + begin.size(), to - from - begin.size()))
      if (c != '\n' && c != '\r' && c != ' ') packed += c;
    if (from_base64(packed, out)) return out;
  }
  return fail(errc::invalid, "it holds no PEM block of a certificate request");
}

}  // namespace troupe::controllers
