export * from './index.js';
export { ICCMLogger as default } from './index.js';
