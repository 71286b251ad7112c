/** Light or dark: as the page is, which Gradio says by a class of its body. */

export class Theme {
  now = $state<'light' | 'dark'>('light');

  constructor(host: HTMLElement) {
    const read = () => {
      this.now = document.body.classList.contains('dark') ? 'dark' : 'light';
      host.dataset.theme = this.now;
    };
    read();
    new MutationObserver(read).observe(document.body, { attributeFilter: ['class'] });
  }

  toggle(): void {
    document.body.classList.toggle('dark');
  }
}
