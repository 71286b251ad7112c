import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { licenses } from './licenses';

// One ES module with its styles inside: the page loads it into a shadow root, from any sub-path.
export default defineConfig({
  plugins: [svelte({ compilerOptions: { css: 'injected' } }), licenses('THIRD_PARTY_LICENSES.txt')],
  define: { 'process.env.NODE_ENV': '"production"' },
  build: {
    outDir: '../static',
    emptyOutDir: false,
    target: 'es2022',
    minify: true,
    lib: { entry: 'src/main.ts', formats: ['es'], fileName: () => 'canvas.js' },
    rolldownOptions: { output: { minify: true } },
  },
});
