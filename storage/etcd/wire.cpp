#include "storage/etcd/wire.hpp"

#include <array>
#include <string_view>

namespace troupe::storage::etcd {
namespace {
struct row {
  std::string_view text;   ///< Part of the message.
  verdict what;
  errc code;
};
// The first that fits. Texts without "etcdserver" are gRPC's own.
constexpr std::array rows{
    row{"etcdserver: no leader", verdict::elsewhere, errc::unavailable},
    row{"not supported for learner", verdict::elsewhere, errc::unavailable},
    row{"raft proposal dropped", verdict::elsewhere, errc::unavailable},
    row{"failed to connect to all addresses", verdict::elsewhere, errc::unavailable},
    row{"empty address list", verdict::elsewhere, errc::unavailable},
    row{"DNS resolution failed", verdict::elsewhere, errc::unavailable},
    row{"etcdserver: too many requests", verdict::overloaded, errc::overloaded},
    row{"database space exceeded", verdict::no_space, errc::unavailable},
    row{"request is too large", verdict::too_large, errc::too_large},
    row{"larger than max", verdict::too_large, errc::too_large},
    row{"revision has been compacted", verdict::gone, errc::gone},
    row{"future revision", verdict::future, errc::invalid},
    row{"member not found", verdict::refused, errc::not_found},
    row{"member ID already exist", verdict::refused, errc::already_exists},
    row{"Peer URLs already exists", verdict::refused, errc::already_exists},
    row{"peer URLs already exists", verdict::refused, errc::already_exists},
    row{"unhealthy cluster", verdict::refused, errc::conflict},
    row{"started member", verdict::refused, errc::conflict},
    row{"too many learner members", verdict::refused, errc::conflict},
    row{"in sync with leader", verdict::refused, errc::conflict},
    row{"can only promote a learner", verdict::refused, errc::conflict},
    row{"not leader", verdict::refused, errc::conflict},
    row{"bad leader transferee", verdict::refused, errc::not_found},
    row{"given member URLs are invalid", verdict::refused, errc::invalid},
};
}  // namespace

reading read_failure(const grpc::Status& status) {
  const std::string& note = status.error_message();
  for (const auto& one : rows)
    if (note.find(one.text) != std::string::npos) return {one.what, one.code, note};
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT: return {verdict::refused, errc::invalid, note};
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED: return {verdict::refused, errc::forbidden, note};
    case grpc::StatusCode::UNIMPLEMENTED: return {verdict::refused, errc::unsupported, note};
    case grpc::StatusCode::FAILED_PRECONDITION: return {verdict::refused, errc::conflict, note};
    default: return {verdict::doubtful, errc::outcome_unknown, note};
  }
}

error to_error(const reading& of, bool writes) {
  if (of.what == verdict::doubtful) return fail(writes ? errc::outcome_unknown : errc::unavailable, of.note);
  return fail(of.code, of.note);
}

}  // namespace troupe::storage::etcd
