// etcd's messages, generated from etcd_rpc.proto, and what its failures mean.
#pragma once
#include <string>

#include "basis/errc.hpp"
#include "basis/result.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "storage/etcd/etcd_rpc.grpc.pb.h"
#pragma GCC diagnostic pop

namespace troupe::storage::etcd {

namespace pb = etcdserverpb;

/// What a failed call says about itself.
enum class verdict : std::uint8_t {
  elsewhere,   ///< Surely not done here; another endpoint, or the same one later, may do it.
  doubtful,    ///< Done or not.
  overloaded,  ///< Surely not done: etcd has too much to do.
  too_large,
  no_space,    ///< Surely not done: the quota is used up.
  gone,        ///< The revision was compacted away.
  future,      ///< The revision is not there yet.
  refused,     ///< etcd understood and says no; `code` tells why.
};
struct reading {
  verdict what = verdict::doubtful;
  errc code = errc::internal;
  std::string note;
};

/// Reads the failure of a call (etcd's texts: etcdserver/api/v3rpc/rpctypes/error.go). `status` is not OK.
reading read_failure(const grpc::Status& status);
/// The same as an error of a call that changed something (`writes`) or only read.
error to_error(const reading& of, bool writes);

}  // namespace troupe::storage::etcd
