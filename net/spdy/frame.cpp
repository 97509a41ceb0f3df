#include <zlib.h>

#include <algorithm>

#include "net/spdy/frame.hpp"

namespace troupe::net::spdy {
namespace {

constexpr std::uint16_t version = 3;
enum control : std::uint16_t { syn_stream = 1, syn_reply = 2, rst_stream = 3, ping_frame = 6, goaway_frame = 7, headers_frame = 8 };
constexpr std::uint8_t flag_last = 1;
constexpr std::size_t head_bytes = 8;

// The dictionary of header blocks (SPDY drafts, 2.6.10.1): words with their lengths before them, then texts without.
constexpr std::string_view dictionary_words =
    "options,head,post,put,delete,trace,accept,accept-charset,accept-encoding,accept-language,accept-ranges,age,allow,autho"
    "rization,cache-control,connection,content-base,content-encoding,content-language,content-length,content-location,conte"
    "nt-md5,content-range,content-type,date,etag,expect,expires,from,host,if-match,if-modified-since,if-none-match,if-range"
    ",if-unmodified-since,last-modified,location,max-forwards,pragma,proxy-authenticate,proxy-authorization,range,referer,r"
    "etry-after,server,te,trailer,transfer-encoding,upgrade,user-agent,vary,via,warning,www-authenticate,method,get,status,"
    "200 OK,version,HTTP/1.1,url,public,set-cookie,keep-alive,origin";
constexpr std::string_view dictionary_texts =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Inform"
    "ation204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server E"
    "rror501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed,"
    " Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/pla"
    "in,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

void put32(std::string& to, std::uint32_t n) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<char>(n >> shift));
}
std::uint32_t get32(std::string_view from) {
  std::uint32_t n = 0;
  for (int i = 0; i < 4; ++i) n = n << 8 | static_cast<unsigned char>(from[static_cast<std::size_t>(i)]);
  return n;
}

const std::string& dictionary() {
  static const std::string whole = [] {
    std::string out;
    std::string_view rest = dictionary_words;
    while (true) {
      const auto comma = rest.find(',');
      const auto word = rest.substr(0, comma);
      put32(out, static_cast<std::uint32_t>(word.size()));
      out.append(word);
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
    return out.append(dictionary_texts);
  }();
  return whole;
}
const Bytef* raw(std::string_view text) { return reinterpret_cast<const Bytef*>(text.data()); }

std::string control_frame(std::uint16_t kind, std::uint8_t flags, std::string_view body) {
  std::string out;
  put32(out, 0x80000000u | std::uint32_t{version} << 16 | kind);
  put32(out, std::uint32_t{flags} << 24 | static_cast<std::uint32_t>(body.size()));
  return out.append(body);
}

}  // namespace

struct frame_reader::inflater {
  inflater() { inflateInit(&state); }
  ~inflater() { inflateEnd(&state); }
  z_stream state{};
};
struct frame_writer::deflater {
  deflater() {
    deflateInit(&state, Z_DEFAULT_COMPRESSION);
    deflateSetDictionary(&state, raw(dictionary()), static_cast<uInt>(dictionary().size()));
  }
  ~deflater() { deflateEnd(&state); }
  z_stream state{};
};

frame_reader::frame_reader() : unpack_(std::make_unique<inflater>()) {}
frame_reader::~frame_reader() = default;
frame_writer::frame_writer() : pack_(std::make_unique<deflater>()) {}
frame_writer::~frame_writer() = default;

result<bool> frame_reader::next(std::string_view& bytes, frame& out) {
  while (!bytes.empty()) {
    if (in_data_) {
      const auto n = std::min<std::size_t>(bytes.size(), left_);
      out = {frame_kind::data, stream_, false, bytes.substr(0, n), {}};
      bytes.remove_prefix(n);
      left_ -= static_cast<std::uint32_t>(n);
      in_data_ = left_ > 0;
      out.last = !in_data_ && last_;
      return true;
    }
    if (head_.size() < head_bytes) {
      const auto n = std::min(bytes.size(), head_bytes - head_.size());
      head_.append(bytes.substr(0, n));
      bytes.remove_prefix(n);
      if (head_.size() < head_bytes) return false;
      const auto flags = static_cast<unsigned char>(head_[4]);
      left_ = get32(std::string_view(head_).substr(4)) & 0xffffffu;
      if ((static_cast<unsigned char>(head_[0]) & 0x80) == 0) {
        stream_ = get32(head_) & 0x7fffffffu;
        last_ = (flags & flag_last) != 0;
        head_.clear();
        in_data_ = left_ > 0;
        if (in_data_) continue;
        out = {frame_kind::data, stream_, last_, {}, {}};
        return true;
      }
      if ((get32(head_) >> 16 & 0x7fffu) != version) return fail(errc::invalid, "what answers does not speak SPDY/3");
      if (left_ > control_bytes_max) return fail(errc::too_large, "a SPDY frame of " + std::to_string(left_) + " bytes");
      body_.clear();
    }
    const auto n = std::min<std::size_t>(bytes.size(), left_ - body_.size());
    body_.append(bytes.substr(0, n));
    bytes.remove_prefix(n);
    if (body_.size() < left_) return false;
    auto got = read_control();
    head_.clear();
    if (!got.ok()) return got.why();
    out = std::move(*got);
    return true;
  }
  // A control frame without a body is complete with its head.
  if (head_.size() == head_bytes && left_ == 0) {
    body_.clear();
    auto got = read_control();
    head_.clear();
    if (!got.ok()) return got.why();
    out = std::move(*got);
    return true;
  }
  return false;
}

result<frame> frame_reader::read_control() {
  frame out;
  const auto kind = get32(head_) & 0xffffu;
  out.last = (static_cast<unsigned char>(head_[4]) & flag_last) != 0;
  const std::size_t prefix = kind == syn_stream ? 10 : kind == syn_reply || kind == headers_frame ? 4 : 0;
  if (prefix > 0) {
    if (body_.size() < prefix) return fail(errc::invalid, "a SPDY frame that is cut short");
    auto headers = read_headers(std::string_view(body_).substr(prefix));
    if (!headers.ok()) return headers.why();
    out.headers = std::move(*headers);
    out.kind = kind == syn_stream ? frame_kind::open : kind == syn_reply ? frame_kind::reply : frame_kind::headers;
  } else if (kind == rst_stream) {
    out.kind = frame_kind::reset;
    out.last = true;
  } else if (kind == ping_frame) {
    out.kind = frame_kind::ping;
    out.data = std::string_view(body_).substr(0, 4);
    return out;
  } else if (kind == goaway_frame) {
    out.kind = frame_kind::goaway;
  } else {
    return out;
  }
  if (body_.size() < 4) return fail(errc::invalid, "a SPDY frame that is cut short");
  out.stream = get32(body_) & 0x7fffffffu;
  return out;
}

result<header_pairs> frame_reader::read_headers(std::string_view packed) {
  const auto bad = [] { return fail(errc::invalid, "a SPDY header block that cannot be read"); };
  std::string plain;
  auto& z = unpack_->state;
  z.next_in = const_cast<Bytef*>(raw(packed));
  z.avail_in = static_cast<uInt>(packed.size());
  char piece[4096];
  do {
    z.next_out = reinterpret_cast<Bytef*>(piece);
    z.avail_out = sizeof piece;
    int done = inflate(&z, Z_SYNC_FLUSH);
    if (done == Z_NEED_DICT) {
      if (inflateSetDictionary(&z, raw(dictionary()), static_cast<uInt>(dictionary().size())) != Z_OK) return bad();
      done = inflate(&z, Z_SYNC_FLUSH);
    }
    if (done != Z_OK && done != Z_BUF_ERROR) return bad();
    plain.append(piece, sizeof piece - z.avail_out);
    if (plain.size() > header_bytes_max) return fail(errc::too_large, "a SPDY header block beyond its limit");
  } while (z.avail_out == 0 || z.avail_in > 0);
  header_pairs out;
  std::string_view rest = plain;
  const auto text = [&rest](std::string& into) {
    if (rest.size() < 4) return false;
    const auto n = get32(rest);
    rest.remove_prefix(4);
    if (n > rest.size()) return false;
    into.assign(rest.substr(0, n));
    rest.remove_prefix(n);
    return true;
  };
  if (rest.empty()) return out;
  if (rest.size() < 4) return bad();
  const auto count = get32(rest);
  rest.remove_prefix(4);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::pair<std::string, std::string> one;
    if (!text(one.first) || !text(one.second)) return bad();
    out.push_back(std::move(one));
  }
  return out;
}

std::string frame_writer::headers(std::uint32_t stream, const header_pairs& what, bool accepts, bool last) {
  std::string plain;
  put32(plain, static_cast<std::uint32_t>(what.size()));
  for (const auto& [name, value] : what) {
    put32(plain, static_cast<std::uint32_t>(name.size()));
    plain.append(name);
    put32(plain, static_cast<std::uint32_t>(value.size()));
    plain.append(value);
  }
  std::string body;
  put32(body, stream);
  if (!accepts) {
    put32(body, 0);          // associated with none
    body.append(2, '\0');    // priority, slot
  }
  auto& z = pack_->state;
  z.next_in = const_cast<Bytef*>(raw(plain));
  z.avail_in = static_cast<uInt>(plain.size());
  char piece[4096];
  do {
    z.next_out = reinterpret_cast<Bytef*>(piece);
    z.avail_out = sizeof piece;
    deflate(&z, Z_SYNC_FLUSH);
    body.append(piece, sizeof piece - z.avail_out);
  } while (z.avail_out == 0);
  return control_frame(accepts ? syn_reply : syn_stream, last ? flag_last : 0, body);
}

std::string frame_writer::data(std::uint32_t stream, std::string_view what, bool last) {
  std::string out;
  do {
    const auto n = std::min(what.size(), data_bytes_max);
    put32(out, stream);
    put32(out, (last && n == what.size() ? std::uint32_t{flag_last} << 24 : 0) | static_cast<std::uint32_t>(n));
    out.append(what.substr(0, n));
    what.remove_prefix(n);
  } while (!what.empty());
  return out;
}

std::string frame_writer::reset(std::uint32_t stream, std::uint32_t why) {
  std::string body;
  put32(body, stream);
  put32(body, why);
  return control_frame(rst_stream, 0, body);
}
std::string frame_writer::ping(std::string_view four) { return control_frame(ping_frame, 0, four); }

}  // namespace troupe::net::spdy
