/* The kernel that turns bytes into the dtype by table, as PTX that the driver
 * compiles; tests/gpu hands it to ptxas where there is one. */
#ifndef STK_GATHER_PTX_H
#define STK_GATHER_PTX_H

/* stk_gather(in, out, table, n, plane, bytes): out[i] = table[c][in[i]], one
 * thread an element; c = i / plane % 3 (plane: h * w for NCHW, 1 for NHWC);
 * table: 3 * 256 words whose low `bytes` (2 or 4) are the value. */
static const char stk_gather_ptx[] =
    ".version 6.0\n"
    ".target sm_50\n"
    ".address_size 64\n"
    ".visible .entry stk_gather(\n"
    "  .param .u64 p_in, .param .u64 p_out, .param .u64 p_table,\n"
    "  .param .u64 p_n, .param .u32 p_plane, .param .u32 p_bytes)\n"
    "{\n"
    "  .reg .pred %p<3>;\n"
    "  .reg .b16 %h<2>;\n"
    "  .reg .b32 %r<9>;\n"
    "  .reg .b64 %d<11>;\n"
    "  mov.u32 %r1, %ctaid.x;\n"
    "  mov.u32 %r2, %ntid.x;\n"
    "  mov.u32 %r3, %tid.x;\n"
    "  mul.wide.u32 %d1, %r1, %r2;\n"
    "  cvt.u64.u32 %d2, %r3;\n"
    "  add.u64 %d1, %d1, %d2;\n"
    "  ld.param.u64 %d3, [p_n];\n"
    "  setp.ge.u64 %p1, %d1, %d3;\n"
    "  @%p1 ret;\n"
    "  ld.param.u64 %d4, [p_in];\n"
    "  cvta.to.global.u64 %d4, %d4;\n"
    "  add.u64 %d4, %d4, %d1;\n"
    "  ld.global.u8 %r4, [%d4];\n"
    "  ld.param.u32 %r5, [p_plane];\n"
    "  cvt.u64.u32 %d5, %r5;\n"
    "  div.u64 %d6, %d1, %d5;\n"
    "  rem.u64 %d6, %d6, 3;\n"
    "  cvt.u32.u64 %r6, %d6;\n"
    "  shl.b32 %r6, %r6, 8;\n"
    "  add.u32 %r6, %r6, %r4;\n"
    "  ld.param.u64 %d7, [p_table];\n"
    "  cvta.to.global.u64 %d7, %d7;\n"
    "  mul.wide.u32 %d8, %r6, 4;\n"
    "  add.u64 %d7, %d7, %d8;\n"
    "  ld.global.u32 %r7, [%d7];\n"
    "  ld.param.u64 %d9, [p_out];\n"
    "  cvta.to.global.u64 %d9, %d9;\n"
    "  ld.param.u32 %r8, [p_bytes];\n"
    "  setp.eq.u32 %p2, %r8, 2;\n"
    "  @%p2 bra HALF;\n"
    "  shl.b64 %d10, %d1, 2;\n"
    "  add.u64 %d9, %d9, %d10;\n"
    "  st.global.u32 [%d9], %r7;\n"
    "  ret;\n"
    "HALF:\n"
    "  shl.b64 %d10, %d1, 1;\n"
    "  add.u64 %d9, %d9, %d10;\n"
    "  cvt.u16.u32 %h1, %r7;\n"
    "  st.global.u16 [%d9], %h1;\n"
    "  ret;\n"
    "}\n";

#endif
