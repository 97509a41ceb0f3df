// DNS messages on the wire (RFC 1035, EDNS0 of RFC 6891): as much as a resolver of a cluster needs. Pure.
//
// Names are text in lower case without the last dot; a dot or backslash inside of a label is written \ddd.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "basis/result.hpp"

namespace troupe::dns {

enum : std::uint16_t { type_a = 1, type_ns = 2, type_cname = 5, type_soa = 6, type_ptr = 12, type_mx = 15, type_txt = 16, type_aaaa = 28, type_srv = 33, type_opt = 41, type_any = 255 };
enum : std::uint16_t { class_in = 1 };
enum class rcode : std::uint8_t { ok = 0, format_error = 1, server_failure = 2, no_such_name = 3, not_implemented = 4, refused = 5 };

inline constexpr std::size_t header_bytes = 12;
inline constexpr std::size_t plain_bytes_max = 512;      ///< An answer by UDP to who says nothing else.
inline constexpr std::size_t udp_bytes_max = 1232;       ///< More by UDP is cut, so that nothing is fragmented.
inline constexpr std::size_t tcp_bytes_max = 65535;

struct query {
  std::uint16_t id = 0;
  bool recursion = false;              ///< RD, echoed.
  std::uint8_t opcode = 0;
  std::string name;
  std::uint16_t type = 0, of_class = class_in;
  std::size_t question_end = 0;        ///< Where the question ends in the packet; it begins behind the header.
  std::optional<std::uint16_t> edns;   ///< Payload size that the asker takes.
  std::uint8_t edns_version = 0;
};
/// `invalid` for what is no query with one question. The id is in the first two bytes all the same.
result<query> read_query(std::string_view packet);

struct record {
  std::string name;
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::string data;                    ///< As on the wire, names in it whole.
};
/// Data of records. Addresses and names that are none give empty data.
std::string address_data(std::string_view address);
std::string name_data(std::string_view name);
std::string srv_data(std::uint16_t priority, std::uint16_t weight, std::uint16_t port, std::string_view target);
std::string txt_data(std::string_view text);
std::string soa_data(std::string_view server, std::string_view mailbox, std::uint32_t serial, std::uint32_t negative_ttl);

struct answer {
  rcode code = rcode::ok;
  bool authoritative = false;
  bool cut = false;                    ///< Said by the server that it comes from; ask by TCP.
  std::vector<record> answers, authority, additional;
};
/// The answer to `asked`, whose packet was `packet` (its question is repeated as it came, letter by letter). What does not fit
/// into `bytes_max` is left out, and then the answer says that it is cut; additional records go first and without a word.
std::string write_answer(const query& asked, std::string_view packet, const answer& what, std::size_t bytes_max);
/// A bare refusal for a packet that cannot be read; empty when it is too short to be answered at all, or an answer itself.
std::string write_error(std::string_view packet, rcode code);

/// What a server said.
struct reply {
  std::uint16_t id = 0;
  rcode code = rcode::ok;
  bool cut = false;                    ///< TC: ask again by TCP.
  std::string name;
  std::uint16_t type = 0, of_class = 0;
  std::vector<record> answers, authority;   ///< Names in data are whole.
  std::uint32_t ttl_least = 0;         ///< Of all records; of a negative answer the SOA's own bound too.
};
result<reply> read_reply(std::string_view packet);
/// A query of our own, for a server outside; empty for a name that no wire carries.
std::string write_query(std::uint16_t id, const std::string& name, std::uint16_t type);

}  // namespace troupe::dns
