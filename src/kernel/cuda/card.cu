// What a layer does between its matrix products, on an NVIDIA card of compute capability 8.0 or more.
//
// Rows are the new tokens of all sequences, one behind the other. What is looked up a row or a sequence (`position`,
// `sequence`, `past`, `addresses` ..) is uploaded once a pass. The residual stream is f32, what goes into a product is
// bf16, queries, keys and values are f16. `steps.rs` is the same in the operations of candle, and the oracle.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math_constants.h>
#include <stdint.h>

typedef __nv_bfloat16 bf16;

__device__ __forceinline__ float block_sum(float x) {
  __shared__ float sums[32];
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(~0u, x, lanes);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = x;
  __syncthreads();
  float sum = 0;
  for (int warp = 0; warp < blockDim.x / 32; warp++) sum += sums[warp];
  return sum;
}

// Each row of x, (row, n), by the root of its mean square, times weight. A block a row.
extern "C" __global__ void rms_norm(const float *x, const float *weight, bf16 *y, int n, float eps) {
  x += (size_t)blockIdx.x * n;
  y += (size_t)blockIdx.x * n;
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i] * x[i];
  float factor = rsqrtf(block_sum(sum) / n + eps);
  for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = __float2bfloat16(x[i] * factor * weight[i]);
}

// silu(gate) * up, of rows that are (gate, up), n numbers each: (row, n). Eight numbers a thread.
extern "C" __global__ void gated(const bf16 *x, bf16 *y, int n) {
  int i = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
  if (i >= n) return;
  x += (size_t)blockIdx.y * 2 * n + i;
  uint4 gates = *(const uint4 *)x, ups = *(const uint4 *)(x + n), products;
  const bf16 *gate = (const bf16 *)&gates, *up = (const bf16 *)&ups;
  bf16 *product = (bf16 *)&products;
  for (int j = 0; j < 8; j++) {
    float g = __bfloat162float(gate[j]);
    product[j] = __float2bfloat16(g / (1 + __expf(-g)) * __bfloat162float(up[j]));
  }
  *(uint4 *)(y + (size_t)blockIdx.y * n + i) = products;
}

// Rows of (query heads, key heads, value heads): adds the bias, norms heads where there are norms, turns queries and
// keys by their position, and puts keys and values where their sequence has its cache, (kv_head, capacity, head_dim).
// A thread a pair of numbers (blockDim.x = head_dim / 2), blockDim.y heads a block.
extern "C" __global__ void rotate(const float *x, const float *bias, const float *query_norm, const float *key_norm,
                                  const float *cosines, const float *sines, const uint32_t *position,
                                  const uint32_t *sequence, const uint64_t *addresses, const uint32_t *capacity,
                                  __half *query, int n_heads, int n_kv_heads, float eps) {
  __shared__ float squares[256];
  int half_dim = blockDim.x, head_dim = 2 * half_dim, i = threadIdx.x, row = blockIdx.x;
  int head = blockIdx.y * blockDim.y + threadIdx.y, n_all = n_heads + 2 * n_kv_heads;
  bool is_there = head < n_all, is_query = head < n_heads, is_value = head >= n_heads + n_kv_heads;
  float a = 0, b = 0;
  if (is_there) {
    const float *from = x + ((size_t)row * n_all + head) * head_dim + i;
    a = from[0];
    b = from[half_dim];
    if (bias) {
      a += bias[head * head_dim + i];
      b += bias[head * head_dim + half_dim + i];
    }
  }
  if (query_norm) {
    squares[threadIdx.y * half_dim + i] = a * a + b * b;
    __syncthreads();
    float sum = 0;
    for (int j = 0; j < half_dim; j++) sum += squares[threadIdx.y * half_dim + j];
    if (!is_value) {
      const float *weight = is_query ? query_norm : key_norm;
      float factor = rsqrtf(sum / head_dim + eps);
      a *= factor * weight[i];
      b *= factor * weight[half_dim + i];
    }
  }
  if (!is_there) return;
  if (!is_value) {
    size_t angle = (size_t)position[row] * half_dim + i;
    float cosine = cosines[angle], sine = sines[angle], turned = a * cosine - b * sine;
    b = a * sine + b * cosine;
    a = turned;
  }
  __half *to;
  if (is_query) {
    to = query + ((size_t)row * n_heads + head) * head_dim + i;
  } else {
    int owner = sequence[row], kv_head = (head - n_heads) % n_kv_heads;
    to = (__half *)addresses[2 * owner + is_value] + ((size_t)kv_head * capacity[owner] + position[row]) * head_dim + i;
  }
  to[0] = __float2half(a);
  to[half_dim] = __float2half(b);
}

// Four 8 x 8 matrices of f16: lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(uint32_t *r, const __half *row) {
  uint32_t address = __cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}

__device__ __forceinline__ void load_matrices_transposed(uint32_t *r, const __half *row) {
  uint32_t address = __cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}

// c += a b, of 16 x 16 and 16 x 8. Lane l holds of c rows l / 4 and l / 4 + 8, columns 2 (l % 4) and the next.
__device__ __forceinline__ void multiply(float *c, const uint32_t *a, uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ uint32_t pack(float low, float high) {
  __half2 both = __floats2half2_rn(low, high);
  return *(uint32_t *)&both;
}

__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
  return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}

__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}

// Sixteen queries that a warp holds, with the online softmax of what they saw so far (arXiv:1805.02867). Index 0 of an
// array of two is the lane's upper row, 1 the row eight below it.
template <int D> struct Queries {
  uint32_t query[D / 16][4];
  float mixed[D / 8][4];
  float max[2], sum[2];
  int n_visible[2];

  __device__ __forceinline__ void begin(const __half *rows, int stride, int lane) {
    for (int step = 0; step < D / 16; step++)
      load_matrices(query[step], rows + (lane % 16) * stride + step * 16 + lane / 16 * 8);
    for (int tile = 0; tile < D / 8; tile++)
      for (int i = 0; i < 4; i++) mixed[tile][i] = 0;
    for (int row = 0; row < 2; row++) max[row] = -CUDART_INF_F, sum[row] = 0;
  }

  // Looks at N keys, a multiple of 16, of which the first is number `first`. `scale` has log2(e) in it.
  template <int N>
  __device__ __forceinline__ void look(const __half *keys, const __half *values, int stride, int first, float scale,
                                       int lane) {
    float scores[N / 8][4];
#pragma unroll
    for (int tile = 0; tile < N / 8; tile++)
      for (int i = 0; i < 4; i++) scores[tile][i] = 0;
#pragma unroll
    for (int step = 0; step < D / 16; step++)
#pragma unroll
      for (int tiles = 0; tiles < N / 16; tiles++) {
        uint32_t r[4];
        load_matrices(r, keys + (tiles * 16 + lane / 16 * 8 + lane % 8) * stride + step * 16 + lane / 8 % 2 * 8);
        multiply(scores[2 * tiles], query[step], r[0], r[1]);
        multiply(scores[2 * tiles + 1], query[step], r[2], r[3]);
      }
    float shrink[2];
#pragma unroll
    for (int row = 0; row < 2; row++) {
      float larger = max[row];
#pragma unroll
      for (int tile = 0; tile < N / 8; tile++)
        for (int i = 0; i < 2; i++) {
          int key = first + tile * 8 + lane % 4 * 2 + i;
          float &score = scores[tile][2 * row + i];
          score = key < n_visible[row] ? score * scale : -CUDART_INF_F;
          larger = fmaxf(larger, score);
        }
      larger = quad_max(larger);
      // A row that has seen nothing yet takes any number for its maximum.
      float base = larger == -CUDART_INF_F ? 0 : larger;
      shrink[row] = exp2f(max[row] - base);
      max[row] = larger;
      sum[row] *= shrink[row];
#pragma unroll
      for (int tile = 0; tile < N / 8; tile++)
        for (int i = 0; i < 2; i++) {
          float &score = scores[tile][2 * row + i];
          score = exp2f(score - base);
          sum[row] += score;
        }
    }
#pragma unroll
    for (int tile = 0; tile < D / 8; tile++)
      for (int i = 0; i < 4; i++) mixed[tile][i] *= shrink[i / 2];
#pragma unroll
    for (int step = 0; step < N / 16; step++) {
      const float *low = scores[2 * step], *high = scores[2 * step + 1];
      uint32_t weights[4] = {pack(low[0], low[1]), pack(low[2], low[3]), pack(high[0], high[1]),
                             pack(high[2], high[3])};
#pragma unroll
      for (int tiles = 0; tiles < D / 16; tiles++) {
        uint32_t r[4];
        load_matrices_transposed(r, values + (step * 16 + lane % 16) * stride + tiles * 16 + lane / 16 * 8);
        multiply(mixed[2 * tiles], weights, r[0], r[1]);
        multiply(mixed[2 * tiles + 1], weights, r[2], r[3]);
      }
    }
  }
};

// What a call of the attention knows of its sequences. A row is a query: token * group + head within the group.
struct Sequences {
  const uint32_t *first, *n_new, *past, *capacity;
  const uint64_t *addresses;
  int n_heads, n_kv_heads;
  float scale;

  __device__ int group() const { return n_heads / n_kv_heads; }
  __device__ int n_rows(int owner) const { return n_new[owner] * group(); }
  __device__ int n_visible(int owner, int row) const {
    return past[owner] + min(row / group(), (int)n_new[owner] - 1) + 1;
  }
  __device__ size_t place(int owner, int row, int kv_head, int head_dim) const {
    return ((size_t)(first[owner] + row / group()) * n_heads + kv_head * group() + row % group()) * head_dim;
  }
  __device__ const __half *cache(int owner, int kv_head, int is_value, int head_dim) const {
    return (const __half *)addresses[2 * owner + is_value] + (size_t)kv_head * capacity[owner] * head_dim;
  }
};

// Causal attention of many queries: a block takes 64 of a sequence and of one kv_head, and all keys in tiles of 64.
template <int D>
__device__ __forceinline__ void attend_many(const __half *query, bf16 *mixed, const uint32_t *item_sequence,
                                            const uint32_t *item_row, Sequences all) {
  constexpr int KEYS = 64, STRIDE = D + 8, CHUNKS = D / 8;
  __shared__ __align__(16) __half keys[KEYS * STRIDE], values[KEYS * STRIDE];
  int owner = item_sequence[blockIdx.x], first_row = item_row[blockIdx.x], kv_head = blockIdx.y;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, n_rows = all.n_rows(owner);
  for (int at = threadIdx.x; at < 64 * CHUNKS; at += blockDim.x) {
    int row = first_row + at / CHUNKS, column = at % CHUNKS * 8;
    uint4 chunk = {0, 0, 0, 0};
    if (row < n_rows) chunk = *(const uint4 *)(query + all.place(owner, row, kv_head, D) + column);
    *(uint4 *)(keys + at / CHUNKS * STRIDE + column) = chunk;
  }
  __syncthreads();
  Queries<D> own;
  own.begin(keys + warp * 16 * STRIDE, STRIDE, lane);
  int row = first_row + warp * 16 + lane / 4;
  for (int i = 0; i < 2; i++) own.n_visible[i] = all.n_visible(owner, row + 8 * i);
  const __half *all_keys = all.cache(owner, kv_head, 0, D), *all_values = all.cache(owner, kv_head, 1, D);
  int n_keys = all.n_visible(owner, first_row + 63);
  for (int first = 0; first < n_keys; first += KEYS) {
    __syncthreads();
    for (int at = threadIdx.x; at < KEYS * CHUNKS; at += blockDim.x) {
      int key = first + at / CHUNKS, column = at % CHUNKS * 8;
      uint4 from_keys = {0, 0, 0, 0}, from_values = {0, 0, 0, 0};
      if (key < n_keys) {
        from_keys = *(const uint4 *)(all_keys + (size_t)key * D + column);
        from_values = *(const uint4 *)(all_values + (size_t)key * D + column);
      }
      *(uint4 *)(keys + at / CHUNKS * STRIDE + column) = from_keys;
      *(uint4 *)(values + at / CHUNKS * STRIDE + column) = from_values;
    }
    __syncthreads();
    own.template look<KEYS>(keys, values, STRIDE, first, all.scale, lane);
  }
  for (int i = 0; i < 2; i++) {
    float share = 1 / quad_sum(own.sum[i]);
    if (row + 8 * i >= n_rows) continue;
    bf16 *to = mixed + all.place(owner, row + 8 * i, kv_head, D) + lane % 4 * 2;
    for (int tile = 0; tile < D / 8; tile++)
      *(__nv_bfloat162 *)(to + tile * 8) =
          __floats2bfloat162_rn(own.mixed[tile][2 * i] * share, own.mixed[tile][2 * i + 1] * share);
  }
}

// Causal attention of at most 16 queries a sequence and kv_head, as when tokens are written: the warps of a block share
// out the keys, 16 at a time, the next of which are on their way while the last are looked at.
template <int D, int WARPS>
__device__ __forceinline__ void attend_few(const __half *query, bf16 *mixed, Sequences all) {
  constexpr int KEYS = 16, STRIDE = D + 8, CHUNKS = D / 8, LOADS = KEYS * CHUNKS / 32;
  __shared__ __align__(16) __half tiles[WARPS][2][KEYS * STRIDE];
  __shared__ __align__(16) __half queries[16 * STRIDE];
  __shared__ float maxima[WARPS][16], sums[WARPS][16];
  int owner = blockIdx.x, kv_head = blockIdx.y, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int n_rows = all.n_rows(owner);
  for (int at = threadIdx.x; at < 16 * CHUNKS; at += blockDim.x) {
    int row = at / CHUNKS, column = at % CHUNKS * 8;
    uint4 chunk = {0, 0, 0, 0};
    if (row < n_rows) chunk = *(const uint4 *)(query + all.place(owner, row, kv_head, D) + column);
    *(uint4 *)(queries + row * STRIDE + column) = chunk;
  }
  __syncthreads();
  Queries<D> own;
  own.begin(queries, STRIDE, lane);
  for (int i = 0; i < 2; i++) own.n_visible[i] = all.n_visible(owner, lane / 4 + 8 * i);
  const __half *all_keys = all.cache(owner, kv_head, 0, D), *all_values = all.cache(owner, kv_head, 1, D);
  int n_keys = all.n_visible(owner, 15);
  __half *keys = tiles[warp][0], *values = tiles[warp][1];
  uint4 next[2][LOADS];
  auto load = [&](int first) {
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
      int at = i * 32 + lane, key = first + at / CHUNKS, column = at % CHUNKS * 8;
      next[0][i] = next[1][i] = uint4{0, 0, 0, 0};
      if (key < n_keys) {
        next[0][i] = *(const uint4 *)(all_keys + (size_t)key * D + column);
        next[1][i] = *(const uint4 *)(all_values + (size_t)key * D + column);
      }
    }
  };
  load(warp * KEYS);
  for (int first = warp * KEYS; first < n_keys; first += WARPS * KEYS) {
    __syncwarp();
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
      int at = i * 32 + lane, place = at / CHUNKS * STRIDE + at % CHUNKS * 8;
      *(uint4 *)(keys + place) = next[0][i];
      *(uint4 *)(values + place) = next[1][i];
    }
    __syncwarp();
    load(first + WARPS * KEYS);
    own.template look<KEYS>(keys, values, STRIDE, first, all.scale, lane);
  }
  for (int i = 0; i < 2; i++) {
    float sum = quad_sum(own.sum[i]);
    if (lane % 4 == 0) {
      maxima[warp][lane / 4 + 8 * i] = own.max[i];
      sums[warp][lane / 4 + 8 * i] = sum;
    }
  }
  __syncthreads();
  // The tiles have been looked at: their place holds the sum of what the warps have mixed, (row, D).
  float *whole = (float *)tiles;
  float share[2];
  for (int i = 0; i < 2; i++) {
    float larger = -CUDART_INF_F, sum = 0;
    for (int other = 0; other < WARPS; other++) larger = fmaxf(larger, maxima[other][lane / 4 + 8 * i]);
    for (int other = 0; other < WARPS; other++)
      sum += sums[other][lane / 4 + 8 * i] * exp2f(maxima[other][lane / 4 + 8 * i] - larger);
    share[i] = exp2f(own.max[i] - larger) / sum;
  }
  for (int turn = 0; turn < WARPS; turn++) {
    if (warp == turn)
      for (int tile = 0; tile < D / 8; tile++)
        for (int i = 0; i < 4; i++) {
          float *to = whole + (lane / 4 + i / 2 * 8) * D + tile * 8 + lane % 4 * 2 + i % 2;
          *to = (turn == 0 ? 0 : *to) + own.mixed[tile][i] * share[i / 2];
        }
    __syncthreads();
  }
  for (int at = threadIdx.x; at < n_rows * D; at += blockDim.x)
    mixed[all.place(owner, at / D, kv_head, D) + at % D] = __float2bfloat16(whole[at]);
}

#define ATTEND(D, WARPS)                                                                                              \
  extern "C" __global__ void attend_many_##D(                                                                         \
      const __half *query, bf16 *mixed, const uint32_t *item_sequence, const uint32_t *item_row,                      \
      const uint32_t *first, const uint32_t *n_new, const uint32_t *past, const uint32_t *capacity,                   \
      const uint64_t *addresses, int n_heads, int n_kv_heads, float scale) {                                          \
    attend_many<D>(query, mixed, item_sequence, item_row,                                                             \
                   Sequences{first, n_new, past, capacity, addresses, n_heads, n_kv_heads, scale});                   \
  }                                                                                                                   \
  extern "C" __global__ void attend_few_##D(                                                                          \
      const __half *query, bf16 *mixed, const uint32_t *first, const uint32_t *n_new, const uint32_t *past,           \
      const uint32_t *capacity, const uint64_t *addresses, int n_heads, int n_kv_heads, float scale) {                \
    attend_few<D, WARPS>(query, mixed,                                                                                \
                         Sequences{first, n_new, past, capacity, addresses, n_heads, n_kv_heads, scale});             \
  }
ATTEND(16, 8)
ATTEND(32, 8)
ATTEND(64, 8)
ATTEND(128, 4)

// The id of the first of the largest logits, among the first n_plain that the mask of the row has a bit for (all, where
// it has no mask), and of the ends where one is larger still; ~0 where a logit that counts is not finite. What a second
// set of bits, if the row has one, holds was written before, and is divided by the penalty of the row, or multiplied
// where it is below 0 (arXiv:1909.05858). A block a row.
extern "C" __global__ void choose(const float *logits, int n_vocabulary, int n_plain, const uint64_t *masks,
                                  const float *penalties, const uint32_t *ends, int n_ends, uint32_t *best) {
  __shared__ float tops[32];
  __shared__ uint32_t places[32];
  logits += (size_t)blockIdx.x * n_vocabulary;
  const uint32_t *mask = (const uint32_t *)masks[2 * blockIdx.x];
  const uint32_t *seen = (const uint32_t *)masks[2 * blockIdx.x + 1];
  float penalty = penalties[blockIdx.x];
  float top = -CUDART_INF_F;
  uint32_t at = ~0u;
  bool is_bad = false;
  for (uint32_t id = threadIdx.x; id < n_plain; id += blockDim.x) {
    float logit = logits[id];
    is_bad |= !isfinite(logit);
    if (seen && seen[id / 32] >> id % 32 & 1) logit = logit > 0 ? logit / penalty : logit * penalty;
    if ((!mask || mask[id / 32] >> id % 32 & 1) && logit > top) top = logit, at = id;
  }
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    float other = __shfl_xor_sync(~0u, top, lanes);
    uint32_t place = __shfl_xor_sync(~0u, at, lanes);
    if (other > top || (other == top && place < at)) top = other, at = place;
  }
  if (threadIdx.x % 32 == 0) tops[threadIdx.x / 32] = top, places[threadIdx.x / 32] = at;
  is_bad = __syncthreads_or(is_bad);
  if (threadIdx.x > 0) return;
  for (int warp = 1; warp < blockDim.x / 32; warp++)
    if (tops[warp] > top || (tops[warp] == top && places[warp] < at)) top = tops[warp], at = places[warp];
  for (int i = 0; i < n_ends; i++) {
    float logit = logits[ends[i]];
    is_bad |= !isfinite(logit);
    if (logit > top) top = logit, at = ends[i];
  }
  best[blockIdx.x] = is_bad ? ~0u : at;
}
