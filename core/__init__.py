"""What Token Lab knows about language models; nothing here imports Gradio."""
